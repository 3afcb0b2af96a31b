-- presage: one entry of a closed bucket of items, appended only after the entry that the caller knows as the last one, version 1
-- KEYS: stream of buckets, hash of what is published
-- ARGV: the last entry's id as the caller knows it ('' for none), id, bucket, epoch before it, number of parts, width of a bucket,
--       '1' if the bucket is complete with this entry, its number, positions
-- Answers nil when it is appended, otherwise the id of the last entry ('' for none).
local last = redis.call('HGET', KEYS[2], 'last') or ''
if last ~= ARGV[1] then
  return last
end
redis.call('XADD', KEYS[1], ARGV[2], 'bucket', ARGV[3], 'after', ARGV[4], 'parts', ARGV[5], 'width', ARGV[6])
redis.call('HSET', KEYS[2], 'last', ARGV[2], 'width', ARGV[6])
if ARGV[7] == '1' then
  redis.call('HSET', KEYS[2], 'epoch', ARGV[8], 'positions', ARGV[9])
end
return nil
