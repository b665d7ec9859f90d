// The limits' operations in Lua, each one atomic step on the server's clock.
import { LIMIT_ARITHMETIC } from './redis-limits-arithmetic.ts';
import { RedisScript } from './redis-script.ts';

/** Milliseconds on the server's own clock, which all gateways share. */
const SERVER_CLOCK = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
`;

const TAKE = `
local demands = tonumber(ARGV[2])
local weighed, counts_of, is_admitted = {}, {}, true
for i = 1, demands do
  local at = 7 * i - 4
  local key, rule = KEYS[i], algorithms[ARGV[at]]
  local d = {
    requests = tonumber(ARGV[at + 1]),
    period = tonumber(ARGV[at + 2]),
    burst = tonumber(ARGV[at + 3]),
    cost = tonumber(ARGV[at + 4]),
    ahead = tonumber(ARGV[at + 5]),
    pace = tonumber(ARGV[at + 6]),
  }
  -- Two demands of one subject see each other.
  local counts = rule.settle(d, counts_of[key] or kept(key))
  local w = {d = d, rule = rule, left = counts, taken = counts, granted = 0}
  w.lapse = math.min(LONGEST, rule.until_turn(d, counts))
  w.fits = d.cost == 0 or rule.fits(d, counts)
  if w.fits then
    w.taken = rule.spend(d, counts)
    -- A window begins with a request, and so does the first refill of a full bucket: never with a grant alone.
    if d.ahead > 0 and (d.cost > 0 or counts[1] < now) then
      w.granted = grant_of(d, rule.remaining(d, w.taken), w.lapse)
      w.taken = rule.spend({cost = w.granted, period = d.period}, w.taken)
    end
  end
  weighed[i] = w
  counts_of[key] = w.taken
  is_admitted = is_admitted and w.fits
end

local seats, is_seat_refused = KEYS[demands + 1], false
local token, lease
if seats then
  local at = 7 * demands + 3
  token, lease = ARGV[at + 1], tonumber(ARGV[at + 2])
  if not redis.call('ZSCORE', seats, token) then
    -- A lease that reaches further than any given now is from before the clock jumped back.
    local held = redis.call('ZCOUNT', seats, string.format('(%.0f', now), string.format('%.0f', now + lease))
    is_seat_refused = held >= tonumber(ARGV[at])
  end
  is_admitted = is_admitted and not is_seat_refused
end

if is_admitted and ARGV[1] == '1' then
  for i = 1, demands do
    local w = weighed[i]
    if w.d.cost + w.granted > 0 then write(KEYS[i], w.taken, w.rule.life(w.d, w.taken)) end
  end
  if seats then
    redis.call('ZADD', seats, string.format('%.0f', now + lease), token)
    redis.call('ZREMRANGEBYSCORE', seats, '-inf', string.format('%.0f', now))
    redis.call('PEXPIRE', seats, string.format('%.0f', lease))
  end
end

local answer = {is_admitted and 1 or 0, is_seat_refused and 1 or 0, now}
for i = 1, demands do
  local w = weighed[i]
  local counts = is_admitted and w.taken or w.left
  local reset = w.fits and w.rule.until_reset(w.d, counts) or w.rule.until_fit(w.d, counts)
  answer[#answer + 1] = w.rule.remaining(w.d, counts)
  answer[#answer + 1] = math.min(LONGEST, reset)
  answer[#answer + 1] = w.fits and 0 or 1
  answer[#answer + 1] = is_admitted and w.granted or 0
  answer[#answer + 1] = w.lapse
end
return answer
`;

const GIVE_BACK = `
for i, key in ipairs(KEYS) do
  local at = 6 * i - 5
  local rule, c = algorithms[ARGV[at]], kept(key)
  local d = {
    requests = tonumber(ARGV[at + 1]),
    period = tonumber(ARGV[at + 2]),
    burst = tonumber(ARGV[at + 3]),
    cost = tonumber(ARGV[at + 4]),
  }
  -- Where the clock has jumped back, it is not known any more whose window this is.
  c = c and now >= c[1] and rule.put_back(d, rule.settle(d, c), tonumber(ARGV[at + 5]))
  if c then
    local life = rule.life(d, c)
    -- A bucket that is full again means as much as none.
    if life > 0 then write(key, c, life) else redis.call('DEL', key) end
  end
end
return #KEYS
`;

/**
 * KEYS: one a demand, then the seats' if a seat is asked for.
 * ARGV: 1 to take or 0 to look, how many demands; for each algorithm, requests, period, burst, cost, how many are
 * asked for ahead, pace a second; then, with a seat, how many there are, the token, the lease in ms.
 * Returns: 1 if admitted, 1 if the seat was refused, the server's time; then for each demand remaining, reset in ms,
 * 1 if violated, how many were granted ahead, ms until they lapse.
 * Nothing is written unless all of it is admitted. The first write is one that a full server refuses.
 * @param clock Lua that sets `now`
 */
export function takeScriptText(clock: string = SERVER_CLOCK): string {
  return clock + LIMIT_ARITHMETIC + TAKE;
}

/**
 * KEYS: one a subject. ARGV: for each algorithm, requests, period, burst, how many, when they lapse.
 * @param clock Lua that sets `now`
 */
export function giveBackScriptText(clock: string = SERVER_CLOCK): string {
  return clock + LIMIT_ARITHMETIC + GIVE_BACK;
}

export const TAKE_SCRIPT = new RedisScript(takeScriptText());
export const GIVE_BACK_SCRIPT = new RedisScript(giveBackScriptText());

/** KEYS: sets of seats. ARGV: lease in ms, then one token a key. */
export const RENEW_SCRIPT = new RedisScript(`
${SERVER_CLOCK}
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, string.format('%.0f', now + tonumber(ARGV[1])), ARGV[i + 1])
  redis.call('PEXPIRE', key, ARGV[1])
end
return #KEYS
`);
