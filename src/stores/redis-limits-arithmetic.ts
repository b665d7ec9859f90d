// The arithmetic of limits in Lua: limit-arithmetic.ts once more, function by function, because all of it has to
// happen between two other commands. A property test holds the two together.

/** Lua that needs `now` and gives `algorithms`, `LONGEST`, `grant_of`, and `kept`, `write` of a subject's counts. */
export const LIMIT_ARITHMETIC = `
local LONGEST = 1e12
local PARTS = 1000000
local LARGEST = 9007199254740991
local GRANT_SHARE, GRANT_FLOOR, GRANT_AHEAD = 32, 128, 10000

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
local function step_at(d, step)
  local n = steps(d)
  return floordiv(step, n) * d.period + ceildiv(math.fmod(step, n) * d.period, n)
end
local function until_level(d, c, wanted)
  if c[3] >= wanted then return 0 end
  return c[1] + step_at(d, c[2] + ceildiv(wanted - c[3], d.requests)) - now
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

local function grant_of(d, remaining, lapse)
  if remaining < GRANT_FLOOR then return 0 end
  local spendable = ceildiv(math.min(lapse, GRANT_AHEAD) * d.pace, 1000)
  return math.min(d.ahead, floordiv(remaining, GRANT_SHARE), spendable)
end

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
    until_turn = until_window_ends,
    put_back = function(d, c, turns_at)
      if c[1] + d.period ~= turns_at then return nil end
      return {c[1], math.max(0, c[2] - d.cost), 0}
    end,
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
    until_turn = until_window_ends,
    put_back = function(d, c, turns_at)
      if c[1] + d.period == turns_at then return {c[1], c[2], math.max(0, c[3] - d.cost)} end
      if c[1] ~= turns_at then return nil end
      return {c[1], math.max(0, c[2] - d.cost), c[3]}
    end,
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
    until_turn = function(d, c) return c[1] + step_at(d, c[2] + 1) - now end,
    put_back = function(d, c, turns_at)
      if c[1] + step_at(d, c[2] + 1) ~= turns_at then return nil end
      return {c[1], c[2], math.min(d.burst * steps(d), c[3] + d.cost * steps(d))}
    end,
    life = function(d, c) return until_level(d, c, d.burst * steps(d)) end,
  },
}

-- Anything but three whole numbers of a size that we write is not ours, and counts as nothing.
local function kept(key)
  local text = redis.pcall('GET', key)
  if type(text) ~= 'string' or #text > 50 then return nil end
  local a, b, c = string.match(text, '^(%d+) (%d+) (%d+)$')
  if not a then return nil end
  return {tonumber(a), tonumber(b), tonumber(c)}
end

local function write(key, c, life)
  local text = string.format('%.0f %.0f %.0f', c[1], c[2], c[3])
  redis.call('SET', key, text, 'PX', string.format('%.0f', math.min(LONGEST, life)))
end
`;
