// The scripts behind the Redis key store. Each runs as one atomic step; every key it touches carries the
// prefix's hash tag, also those it finds by what other keys hold.
import { RedisScript } from './redis-script.ts';

/**
 * KEYS: digest keys. ARGV: first part of record keys.
 * Returns the text of every record a digest leads to; an empty text where it leads to nothing readable.
 */
export const FIND = new RedisScript(`
local found = {}
for _, key in ipairs(KEYS) do
  local id = redis.pcall('GET', key)
  if type(id) == 'string' then
    local text = redis.pcall('GET', ARGV[1] .. id)
    found[#found + 1] = type(text) == 'string' and text or ''
  end
end
return found
`);

/** KEYS: record. Returns its text, empty if it cannot be read, nil if there is none. */
export const READ = new RedisScript(`
local text = redis.pcall('GET', KEYS[1])
return type(text) == 'table' and '' or text
`);

/**
 * KEYS: record, ids, the three status sets with the record's own first, changes, then the digests' keys.
 * ARGV: id, expected revision, record, score, first part of digest keys, length of the change log.
 * Returns 1 if saved, 0 for a conflict, which leaves everything as it was. The first write is one that a full
 * server refuses, so that a refusal leaves everything as it was, too.
 */
export const SAVE = new RedisScript(`
local id = ARGV[1]
local held, before = 0, nil
local text = redis.pcall('GET', KEYS[1])
if type(text) == 'string' then
  local ok, record = pcall(cjson.decode, text)
  if ok and type(record) == 'table' and type(record.revision) == 'number' then
    held, before = record.revision, record
  end
end
if held ~= tonumber(ARGV[2]) then return 0 end
for i = 7, #KEYS do
  local holder = redis.call('GET', KEYS[i])
  if holder and holder ~= id then return 0 end
end

redis.call('SET', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[2], 0, id)
redis.call('ZADD', KEYS[3], ARGV[4], id)
redis.call('ZREM', KEYS[4], id)
redis.call('ZREM', KEYS[5], id)
local kept = {}
for i = 7, #KEYS do
  redis.call('SET', KEYS[i], id)
  kept[KEYS[i]] = true
end
if before and type(before.secrets) == 'table' then
  for _, secret in ipairs(before.secrets) do
    if type(secret) == 'table' and type(secret.digest) == 'string' then
      local key = ARGV[5] .. secret.digest
      if not kept[key] and redis.pcall('GET', key) == id then redis.call('DEL', key) end
    end
  end
end

-- Changes are numbered without gaps, so that a reader sees when some were trimmed away or the stream is new.
local number = 1
local last = redis.call('XREVRANGE', KEYS[6], '+', '-', 'COUNT', 1)[1]
if last then number = (tonumber(last[2][2]) or 0) + 1 end
redis.call('XADD', KEYS[6], 'MAXLEN', '~', ARGV[6], '*', 'number', string.format('%.0f', number), 'id', id)
return 1
`);

/**
 * KEYS: ids. ARGV: lower bound, how many, first part of record keys.
 * Returns the next ids and their records' texts, empty where one cannot be read.
 */
export const LIST = new RedisScript(`
local ids = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, ARGV[2])
local texts = {}
for i, id in ipairs(ids) do
  local text = redis.pcall('GET', ARGV[3] .. id)
  texts[i] = type(text) == 'string' and text or ''
end
return {ids, texts}
`);

/**
 * KEYS: the active, disabled and revoked sets. ARGV: now, ms.
 * Returns how many are active by status, of these expired, disabled, revoked.
 */
export const COUNT = new RedisScript(`
return {
  redis.call('ZCARD', KEYS[1]),
  redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[1]),
  redis.call('ZCARD', KEYS[2]),
  redis.call('ZCARD', KEYS[3]),
}
`);
