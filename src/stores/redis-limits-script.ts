// The atomic take in Lua: limit-arithmetic.ts once more, function by function, because all of it has to happen
// between two other commands. A property test holds the two together.
import { RedisScript } from './redis-script.ts';

/** Milliseconds on the server's own clock, which all gateways share. */
const SERVER_CLOCK = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
`;

const ARITHMETIC = `
local LONGEST = 1e12
local PARTS = 1000000
local LARGEST = 9007199254740991

local function floordiv(a, b) return (a - math.fmod(a, b)) / b end
local function ceildiv(a, b)
  local rest = math.fmod(a, b)
  return (a - rest) / b + (rest > 0 and 1 or 0)
end

local function steps(d)
  if d.period <= 50000 then return 10 end
  return math.min(ceildiv(d.period, 5000), floordiv(LARGEST, d.period))
end
local function steps_by(d, elapsed)
  local n = steps(d)
  return floordiv(elapsed, d.period) * n + floordiv(math.fmod(elapsed, d.period) * n, d.period)
end
local function until_level(d, c, wanted)
  if c[3] >= wanted then return 0 end
  local n = steps(d)
  local step = c[2] + ceildiv(wanted - c[3], d.requests)
  return c[1] + floordiv(step, n) * d.period + ceildiv(math.fmod(step, n) * d.period, n) - now
end

local function sliding_used(d, c)
  local part = ceildiv(d.period, PARTS)
  return ceildiv(c[2] * ceildiv(c[1] + d.period - now, part), ceildiv(d.period, part)) + c[3]
end
local function rest_within(d, count, room)
  if count == 0 then return d.period end
  local part = ceildiv(d.period, PARTS)
  return math.min(d.period, floordiv(room * ceildiv(d.period, part), count) * part)
end

local function until_window_ends(d, c) return c[1] + d.period - now end

-- What is kept: three whole numbers, as limit-arithmetic.ts says.
local algorithms = {
  fixed = {
    settle = function(d, c)
      local start = now - math.fmod(now, d.period)
      if c and c[1] >= start then return {start, c[2], 0} end
      return {start, 0, 0}
    end,
    fits = function(d, c) return c[2] + d.cost <= d.requests end,
    spend = function(d, c) return {c[1], c[2] + d.cost, 0} end,
    remaining = function(d, c) return math.max(0, d.requests - c[2]) end,
    until_fit = until_window_ends,
    until_reset = until_window_ends,
    life = until_window_ends,
  },
  sliding = {
    settle = function(d, c)
      if not c or now - c[1] >= 2 * d.period then return {now, 0, 0} end
      if now < c[1] then return {now, c[2], c[3]} end
      if now - c[1] < d.period then return c end
      return {c[1] + d.period, c[3], 0}
    end,
    fits = function(d, c) return sliding_used(d, c) + d.cost <= d.requests end,
    spend = function(d, c) return {c[1], c[2], c[3] + d.cost} end,
    remaining = function(d, c) return math.max(0, d.requests - sliding_used(d, c)) end,
    until_fit = function(d, c)
      local rest = c[1] + d.period - now
      local room = d.requests - c[3] - d.cost
      if room >= 0 then return rest - rest_within(d, c[2], room) end
      local next_room = d.requests - d.cost
      if next_room < 0 then return rest + d.period end
      return rest + d.period - rest_within(d, c[3], next_room)
    end,
    until_reset = until_window_ends,
    life = function(d, c) return c[1] + 2 * d.period - now end,
  },
  bucket = {
    settle = function(d, c)
      local full = d.burst * steps(d)
      if not c then return {now, 0, full} end
      local due = now < c[1] and -1 or steps_by(d, now - c[1])
      if due < c[2] then
        if c[3] >= full then return {now, 0, full} end
        return {now, 0, c[3]}
      end
      if due - c[2] >= ceildiv(math.max(0, full - c[3]), d.requests) then return {now, 0, full} end
      return {c[1], due, c[3] + (due - c[2]) * d.requests}
    end,
    fits = function(d, c) return d.cost * steps(d) <= c[3] end,
    spend = function(d, c) return {c[1], c[2], c[3] - d.cost * steps(d)} end,
    remaining = function(d, c) return floordiv(c[3], steps(d)) end,
    until_fit = function(d, c) return math.max(1, until_level(d, c, math.min(d.cost, d.burst) * steps(d))) end,
    until_reset = function(d, c) return until_level(d, c, d.burst * steps(d)) end,
    life = function(d, c) return until_level(d, c, d.burst * steps(d)) end,
  },
}
`;

const TAKE = `
local demands = tonumber(ARGV[2])

-- Anything but three whole numbers of a size that we write is not ours, and counts as nothing.
local function kept(key)
  local text = redis.pcall('GET', key)
  if type(text) ~= 'string' or #text > 50 then return nil end
  local a, b, c = string.match(text, '^(%d+) (%d+) (%d+)$')
  if not a then return nil end
  return {tonumber(a), tonumber(b), tonumber(c)}
end

local weighed, counts_of, is_admitted = {}, {}, true
for i = 1, demands do
  local at = 5 * i - 2
  local key, rule = KEYS[i], algorithms[ARGV[at]]
  local d = {
    requests = tonumber(ARGV[at + 1]),
    period = tonumber(ARGV[at + 2]),
    burst = tonumber(ARGV[at + 3]),
    cost = tonumber(ARGV[at + 4]),
  }
  -- Two demands of one subject see each other.
  local counts = rule.settle(d, counts_of[key] or kept(key))
  local fits = rule.fits(d, counts)
  local taken = fits and rule.spend(d, counts) or counts
  weighed[i] = {d = d, rule = rule, left = counts, taken = taken, fits = fits}
  counts_of[key] = taken
  is_admitted = is_admitted and fits
end

local seats, is_seat_refused = KEYS[demands + 1], false
local token, lease
if seats then
  local at = 5 * demands + 3
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
    local life = math.min(LONGEST, w.rule.life(w.d, w.taken))
    local text = string.format('%.0f %.0f %.0f', w.taken[1], w.taken[2], w.taken[3])
    redis.call('SET', KEYS[i], text, 'PX', string.format('%.0f', life))
  end
  if seats then
    redis.call('ZADD', seats, string.format('%.0f', now + lease), token)
    redis.call('ZREMRANGEBYSCORE', seats, '-inf', string.format('%.0f', now))
    redis.call('PEXPIRE', seats, string.format('%.0f', lease))
  end
end

local answer = {is_admitted and 1 or 0, is_seat_refused and 1 or 0}
for i = 1, demands do
  local w = weighed[i]
  local counts = is_admitted and w.taken or w.left
  local reset = w.fits and w.rule.until_reset(w.d, counts) or w.rule.until_fit(w.d, counts)
  answer[#answer + 1] = w.rule.remaining(w.d, counts)
  answer[#answer + 1] = math.min(LONGEST, reset)
  answer[#answer + 1] = w.fits and 0 or 1
end
return answer
`;

/**
 * KEYS: one a demand, then the seats' if a seat is asked for.
 * ARGV: 1 to take or 0 to look, how many demands; for each algorithm, requests, period, burst, cost; then, with a
 * seat, how many there are, the token, the lease in ms.
 * Returns: 1 if admitted, 1 if the seat was refused, then for each demand remaining, reset in ms, 1 if violated.
 * Nothing is written unless all of it is admitted. The first write is one that a full server refuses.
 * @param clock Lua that sets `now`
 */
export function takeScriptText(clock: string = SERVER_CLOCK): string {
  return clock + ARITHMETIC + TAKE;
}

export const TAKE_SCRIPT = new RedisScript(takeScriptText());

/** KEYS: sets of seats. ARGV: lease in ms, then one token a key. */
export const RENEW_SCRIPT = new RedisScript(`
${SERVER_CLOCK}
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, string.format('%.0f', now + tonumber(ARGV[1])), ARGV[i + 1])
  redis.call('PEXPIRE', key, ARGV[1])
end
return #KEYS
`);
