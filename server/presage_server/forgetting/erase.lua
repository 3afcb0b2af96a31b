-- presage: erase what is stored of one visitor except events; version 1
-- KEYS: state, quarantine, event stream, erasures of the partition
-- ARGV: the name of this erasure ('' leaves no mark)
-- Returns the store's time in ms, the last entry that the stream ever got, and how many of the two keys there were.
-- The mark comes first: a backfill that has read the visitor's events must not write a state from now on.
if ARGV[1] ~= '' then
  redis.call('HSET', KEYS[4], ARGV[1], '1')
end
local now = redis.call('TIME')
local last = '0-0'
local info = redis.pcall('XINFO', 'STREAM', KEYS[3])
if not info.err then
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      last = info[i + 1]
    end
  end
end
local erased = redis.call('DEL', KEYS[1]) + redis.call('DEL', KEYS[2])
return {string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000)), last, erased}
