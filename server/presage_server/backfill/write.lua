-- presage: compare-and-set of some visitors of one partition, without events; version 2
-- KEYS: erasures, state, state, ...
-- ARGV: how many erasures there were when the events were read; then for each: revision that was read ('' for none), new blob, time to live in ms ('' keeps what is left)
-- Returns for each: 1 if it was written, 0 if the state has changed since. Nothing is written, and -1 returned for each, if a visitor of
-- the partition was erased since, or is being erased: what was read of its events must not come back.
local results = {}
local finished = redis.call('HGET', KEYS[1], 'count')
local unfinished = redis.call('HLEN', KEYS[1]) - (finished and 1 or 0)
local is_erased = unfinished > 0 or (finished or '0') ~= ARGV[1]
for i = 1, #KEYS - 1 do
  local revision, blob, ttl = ARGV[3 * i - 1], ARGV[3 * i], ARGV[3 * i + 1]
  local key = KEYS[i + 1]
  if is_erased then
    results[i] = -1
  elseif redis.call('GETRANGE', key, 0, 7) ~= revision then
    results[i] = 0
  else
    if ttl == '' then
      redis.call('SET', key, blob, 'KEEPTTL')
    else
      redis.call('SET', key, blob, 'PX', ttl)
    end
    results[i] = 1
  end
end
return results
