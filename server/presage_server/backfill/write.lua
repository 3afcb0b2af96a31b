-- presage: compare-and-set of some visitors of one partition, without events; version 1
-- KEYS: state, state, ...
-- ARGV: for each: revision that was read ('' for none), new blob, time to live in ms ('' keeps what is left)
-- Returns for each: 1 if it was written, 0 if the state has changed since.
local results = {}
for i = 1, #KEYS do
  local revision, blob, ttl = ARGV[3 * i - 2], ARGV[3 * i - 1], ARGV[3 * i]
  if redis.call('GETRANGE', KEYS[i], 0, 7) ~= revision then
    results[i] = 0
  else
    if ttl == '' then
      redis.call('SET', KEYS[i], blob, 'KEEPTTL')
    else
      redis.call('SET', KEYS[i], blob, 'PX', ttl)
    end
    results[i] = 1
  end
end
return results
