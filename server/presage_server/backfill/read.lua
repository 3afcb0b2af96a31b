-- presage: states of one partition's visitors, and what its stream has after an entry, at one moment; version 2
-- KEYS: event stream, erasures, state, state, ...
-- ARGV: the last entry that was read, the most entries to return
-- Returns XINFO STREAM (false without a stream), entries, a blob for each state (false for none, '' for a key of another type), and the
-- fields of the erasures.
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
local entries = {}
if info.err then
  info = false
else
  entries = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
end
local blobs = {}
for i = 3, #KEYS do
  local blob = redis.pcall('GET', KEYS[i])
  if type(blob) == 'table' then
    blob = ''
  end
  blobs[i - 2] = blob
end
return {info, entries, blobs, redis.call('HGETALL', KEYS[2])}
