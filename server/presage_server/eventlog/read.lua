-- presage: what follows in one event stream for a consumer group, and the stream just before; version 1
-- KEYS: event stream
-- ARGV: consumer group, consumer, the most entries to return
-- Returns XINFO STREAM, and the entries.
local info = redis.call('XINFO', 'STREAM', KEYS[1])
local found = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', ARGV[3], 'STREAMS', KEYS[1], '>')
return {info, found and found[1][2] or {}}
