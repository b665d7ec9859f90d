// The scripts behind the Redis key store. Each runs as one atomic step; every key it touches carries the
// prefix's hash tag, also those it finds by what other keys hold.
import { BOUNDS } from '../core/bounds.ts';
import type { Lineage } from '../core/ports.ts';
import { FOLLOWS_OWNER } from './redis-errand.ts';
import { RedisScript } from './redis-script.ts';

/** A record's bound is in characters, of which none takes more bytes. */
const LONGEST_TEXT = 3 * BOUNDS.recordBytes;

/**
 * Lua that reads a record's text: false if there is none, empty if what is there cannot be a record. One that is too long
 * is not even read, because that would hold up all others; who may not ask how long it is reads it. What the server refuses
 * is an error, never an empty text: so it is, too, while a slot is on its way to another node and a key that is not
 * declared may be there already.
 */
const READ_TEXT = `
local function read_text(key)
  local length = redis.pcall('STRLEN', key)
  if type(length) == 'number' and length > ${LONGEST_TEXT} then return '' end
  local text = redis.pcall('GET', key)
  if type(text) ~= 'table' then return text end
  if string.find(text.err, 'WRONGTYPE', 1, true) then return '' end
  error((string.gsub(text.err, '^ERR ', '')), 0)
end
`;

/**
 * Lua that tells whether this is the store that is known: it has the epoch, and the last change that was seen, unless
 * that was trimmed away behind newer ones. It is what `doubtOf` says, in the atomic step of a look-up or a change.
 */
const IS_KNOWN = `
local function number_of(entry)
  return tonumber(entry[2][2]) or 0
end
local function is_known(epoch_key, changes, epoch, at, mark, generation)
  if epoch ~= '' and redis.call('GET', epoch_key) ~= epoch then return false end
  if at == '' then return true end
  local seen = redis.call('XRANGE', changes, at, at)[1]
  if seen then return table.concat(seen[2], ' ') == mark end
  local oldest = redis.call('XRANGE', changes, '-', '+', 'COUNT', 1)[1]
  return oldest ~= nil and number_of(oldest) > tonumber(generation)
end
`;

/** What a script answers in place of all else if the store is not the known one. */
export const NOT_KNOWN = -1;

/** What the scripts are told of the known store: four values, empty or 0 where nothing is known. */
export function knownValues(known: Lineage | undefined): readonly (string | number)[] {
  return [known?.epoch ?? '', known?.at ?? '', known?.mark ?? '', known?.generation ?? 0];
}

/**
 * KEYS: digest keys. ARGV: first part of record keys, changes, epoch's key, the known store.
 * Returns the text of every record a digest leads to; an empty text where it leads to nothing readable. A server
 * that could not take a change, because it was demoted or cut off, does not know of those that others took: its
 * refusal is the answer.
 */
export const FIND = new RedisScript(
  `
${READ_TEXT}
${IS_KNOWN}
local change = redis.pcall('XDEL', ARGV[2], '0-0')
if type(change) == 'table' and change.err then
  for _, code in ipairs({'READONLY', 'NOREPLICAS'}) do
    if string.find(change.err, code, 1, true) then return change end
  end
end
if not is_known(ARGV[3], ARGV[2], ARGV[4], ARGV[5], ARGV[6], ARGV[7]) then return ${NOT_KNOWN} end
local found = {}
for _, key in ipairs(KEYS) do
  local id = read_text(key)
  if id and id ~= '' then found[#found + 1] = read_text(ARGV[1] .. id) or '' end
end
return found
`,
  FOLLOWS_OWNER,
);

/** KEYS: a key. Returns its text, empty if that cannot be read or is longer than a record, nil if there is none. */
export const READ = new RedisScript(`
${READ_TEXT}
return read_text(KEYS[1])
`);

/**
 * KEYS: record, ids, the three status sets with the record's own first, changes, epoch, then the digests' keys.
 * ARGV: id, expected revision, record, score, first part of digest keys, length of the change log, an epoch for a store
 * that has none, a random text that no other change has, the known store.
 * Returns 1 if saved, 0 for a conflict, which leaves everything as it was. The first write is one that a full
 * server refuses, so that a refusal leaves everything as it was, too. Where a server refuses one of the others, because of
 * rights or of what stands there, the key is as it was: it is told before it is written, and written behind all else that
 * may be refused. So no change is in force of which gateways have not heard; one too many that they hear of does no harm.
 */
export const SAVE = new RedisScript(`
${READ_TEXT}
${IS_KNOWN}
if not is_known(KEYS[7], KEYS[6], ARGV[9], ARGV[10], ARGV[11], ARGV[12]) then return ${NOT_KNOWN} end
local id = ARGV[1]
local held, before = 0, nil
local text = read_text(KEYS[1])
if text then
  local ok, record = pcall(cjson.decode, text)
  if ok and type(record) == 'table' and type(record.revision) == 'number' then
    held, before = record.revision, record
  end
end
if held ~= tonumber(ARGV[2]) then return 0 end
for i = 8, #KEYS do
  local holder = redis.call('GET', KEYS[i])
  if holder and holder ~= id then return 0 end
end

-- Changes are numbered without gaps, so that a reader sees when some were trimmed away or the stream is new.
local number = 1
local last = redis.call('XREVRANGE', KEYS[6], '+', '-', 'COUNT', 1)[1]
if last then number = number_of(last) + 1 end
redis.call('XADD', KEYS[6], 'MAXLEN', '~', ARGV[6], '*', 'number', string.format('%.0f', number), 'id', id, 'mark', ARGV[8])

redis.call('SET', KEYS[7], ARGV[7], 'NX')
redis.call('ZADD', KEYS[2], 0, id)
redis.call('ZADD', KEYS[3], ARGV[4], id)
redis.call('ZREM', KEYS[4], id)
redis.call('ZREM', KEYS[5], id)
local kept = {}
for i = 8, #KEYS do
  redis.call('SET', KEYS[i], id)
  kept[KEYS[i]] = true
end
redis.call('SET', KEYS[1], ARGV[3])
if before and type(before.secrets) == 'table' then
  for _, secret in ipairs(before.secrets) do
    if type(secret) == 'table' and type(secret.digest) == 'string' then
      local key = ARGV[5] .. secret.digest
      if not kept[key] and redis.pcall('GET', key) == id then redis.pcall('DEL', key) end
    end
  end
end
return 1
`);

/**
 * KEYS: ids. ARGV: lower bound, how many, first part of record keys.
 * Returns the next ids and their records' texts, empty where one cannot be read, and how many ids there would have been:
 * large records come in smaller batches.
 */
export const LIST = new RedisScript(
  `
${READ_TEXT}
local ids = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, ARGV[2])
local taken, texts, bytes = {}, {}, 0
for i, id in ipairs(ids) do
  if bytes >= ${BOUNDS.listBatchBytes} then break end
  taken[i], texts[i] = id, read_text(ARGV[3] .. id) or ''
  bytes = bytes + #texts[i]
end
return {taken, texts, #ids}
`,
  FOLLOWS_OWNER,
);

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
