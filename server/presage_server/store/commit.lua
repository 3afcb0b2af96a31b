-- presage: compare-and-set of one visitor, version 3
-- KEYS: state, event stream, list of unreadable states
-- ARGV: revision that the caller read ('' for none), new blob, time to live in ms, events kept in the stream (0: all),
--       '1' to keep the old blob aside, '1' if the events were folded into no state, event, event, ...
-- Answers with a list when the change is made: of the id of the last entry in the stream. Otherwise with the blob that stands instead
-- ('' if none does).
local current = redis.call('GET', KEYS[1]) or ''
if string.sub(current, 1, 8) ~= ARGV[1] then
  return current
end
-- What can fail comes first: a script is not rolled back, and a state without its events would never be found out.
if ARGV[5] == '1' then
  redis.call('RPUSH', KEYS[3], current)
  redis.call('LTRIM', KEYS[3], -10, -1)
  redis.call('PEXPIRE', KEYS[3], ARGV[3])
end
local last
for i = 7, #ARGV do
  local entry = {'*', 'event', ARGV[i]}
  if i == 7 and ARGV[6] == '1' then
    entry = {'*', 'event', ARGV[i], 'fresh', '1'}
  end
  if ARGV[4] == '0' then
    last = redis.call('XADD', KEYS[2], unpack(entry))
  else
    last = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], unpack(entry))
  end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return {last}
