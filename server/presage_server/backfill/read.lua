-- presage: states of one partition's visitors, and what its stream has after an entry, at one moment; version 1
-- KEYS: event stream, state, state, ...
-- ARGV: the last entry that was read, the most entries to return
-- Returns XINFO STREAM (false without a stream), entries, and a blob for each state (false for none, '' for a key of another type).
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
local entries = {}
if info.err then
  info = false
else
  entries = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
end
local blobs = {}
for i = 2, #KEYS do
  local blob = redis.pcall('GET', KEYS[i])
  if type(blob) == 'table' then
    blob = ''
  end
  blobs[i - 1] = blob
end
return {info, entries, blobs}
