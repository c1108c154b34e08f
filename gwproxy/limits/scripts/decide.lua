-- Decides over all limits of some requests, one request after another, each whole or not at all.
--
-- KEYS: a key for each limit of each request, in order. ARGV: the number of the call; the time in microseconds ("0": the
-- server's); then for each request its limits in one word: kind, requests, window in microseconds and lease of each, with
-- blanks between. A lease of 0 asks for one permit, above 0 for up to so many, and below 0 only looks.
-- Gives: the number of the call; the time; then for each request which limit refuses for longest (0: none, and all have
-- been taken), how long it does, and for each limit what is left, in which time there will be more, and of a limit with
-- a lease how many permits it gave.
--
-- The kinds are those of gwproxy/limits/*.py, which hypothesis holds to these. Numbers are microseconds; doubles hold
-- them exactly until the year 2255. What is written: one value a limit, with an expiry.

local PARTS = 61
-- A lease never takes more than this share of what is left: near the limit permits go out one by one.
local SHARE = 10
local DAY = 86400000000

local function text(number)
  return string.format('%.0f', number)
end

local now = tonumber(ARGV[2])
if now == 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- exact: a ring of times. "<I4I4I4dd": size, head, used, the newest time, until when it is kept; then a double for each
-- slot. It is kept for two windows, so that its expiry need not be set each time.
local HEAD = 28
local Exact = {}

local function slot(s, at)
  local time = s.slots[at]
  if not time then
    time = struct.unpack('<d', redis.call('GETRANGE', s.key, HEAD + 8 * at, HEAD + 7 + 8 * at))
    s.slots[at] = time
  end
  return time
end

local function rewritten(s, size, shift)
  -- The newest `size` times in a ring of that size, each earlier by `shift`.
  local kept, slots = math.min(s.used, size), {}
  for i = 0, kept - 1 do
    slots[i] = slot(s, (s.head + s.used - kept + i) % s.size) - shift
  end
  s.slots, s.size, s.head, s.used, s.whole = slots, size, 0, kept, true
  s.newest = s.newest - shift
end

function Exact.load(s)
  local head = redis.call('GETRANGE', s.key, 0, HEAD - 1)
  s.slots, s.written = {}, {}
  if #head < HEAD then
    s.size, s.head, s.used, s.newest, s.kept = s.requests, 0, 0, 0, 0
    return
  end
  s.size, s.head, s.used, s.newest, s.kept = struct.unpack('<I4I4I4dd', head)
  if s.size ~= s.requests then
    rewritten(s, s.requests, 0)
  end
end

function Exact.wait(s)
  if s.used > 0 then
    if s.newest > now then
      -- The clock has stepped back: as far apart as before, but not in the future, where they would lock out.
      rewritten(s, s.size, s.newest - now)
    elseif s.newest + s.window <= now then
      s.used = 0
    else
      while slot(s, s.head) + s.window <= now do
        s.head = (s.head + 1) % s.size
        s.used = s.used - 1
      end
    end
  end
  if s.used < s.requests then
    return 0
  end
  return slot(s, s.head) + s.window - now
end

function Exact.take(s, count)
  for _ = 1, count do
    local at = (s.head + s.used) % s.size
    s.slots[at] = now
    s.written[#s.written + 1] = at
    s.used = s.used + 1
  end
  s.newest = now
end

function Exact.left(s)
  return s.requests - s.used
end

function Exact.renews(s)
  return s.used > 0 and slot(s, s.head) + s.window - now or 0
end

function Exact.save(s)
  local lasts = s.whole or s.kept < now + s.window
  if lasts then
    s.kept = now + 2 * s.window
  end
  local head = struct.pack('<I4I4I4dd', s.size, s.head, s.used, s.newest, s.kept)
  if s.whole then
    local all = {head}
    for i = 0, s.used - 1 do
      all[#all + 1] = struct.pack('<d', s.slots[i])
    end
    redis.call('SET', s.key, table.concat(all))
  else
    redis.call('SETRANGE', s.key, 0, head)
    for _, at in ipairs(s.written) do
      redis.call('SETRANGE', s.key, HEAD + 8 * at, struct.pack('<d', s.slots[at]))
    end
  end
  if lasts then
    redis.call('PEXPIRE', s.key, text(math.ceil(2 * s.window / 1000) + 1000))
  end
end

-- hard: sixty parts and the one that runs. "<ddd": the length of a part, the last part, the total; then the counts.
local Hard = {}

function Hard.load(s)
  s.part_us = math.ceil(s.window / (PARTS - 1))
  local part = math.floor(now / s.part_us)
  local raw = redis.call('GET', s.key)
  s.counts = {}
  if raw then
    local length
    length, s.last, s.total = struct.unpack('<ddd', raw)
    if length == s.part_us then
      s.counts = {struct.unpack('<' .. string.rep('I4', PARTS), raw, 25)}
    end
    if #s.counts == 0 or s.last > part then
      -- Another window, or a clock that has stepped back: all that was counted counts as of now.
      for i = 1, PARTS do s.counts[i] = 0 end
      s.counts[part % PARTS + 1] = s.total
      s.last = part
    end
  else
    s.last, s.total = part, 0
    for i = 1, PARTS do s.counts[i] = 0 end
  end
  local passed = part - s.last
  if passed >= PARTS then
    for i = 1, PARTS do s.counts[i] = 0 end
    s.total = 0
  else
    for each = s.last + 1, part do
      local at = each % PARTS + 1
      s.total = s.total - s.counts[at]
      s.counts[at] = 0
    end
  end
  s.last = part
end

local function leaves(s, least)
  for part = s.last - PARTS + 1, s.last do
    least = least - s.counts[part % PARTS + 1]
    if least <= 0 then
      return part + PARTS
    end
  end
  return s.last + PARTS
end

function Hard.wait(s)
  local over = s.total - s.requests + 1
  return over <= 0 and 0 or leaves(s, over) * s.part_us - now
end

function Hard.take(s, count)
  local at = s.last % PARTS + 1
  s.counts[at] = s.counts[at] + count
  s.total = s.total + count
end

function Hard.left(s)
  return math.max(s.requests - s.total, 0)
end

function Hard.renews(s)
  return s.total > 0 and leaves(s, 1) * s.part_us - now or 0
end

function Hard.save(s)
  local value = struct.pack('<ddd', s.part_us, s.last, s.total)
    .. struct.pack('<' .. string.rep('I4', PARTS), unpack(s.counts))
  redis.call('SET', s.key, value, 'PX', text(math.ceil(s.part_us * PARTS / 1000) + 1000))
end

-- bucket: when it will be full again.
local Bucket = {}

function Bucket.load(s)
  s.step = math.ceil(s.window / s.requests)
  s.holds = s.step * s.requests
  local full = tonumber(redis.call('GET', s.key) or now)
  s.full = math.min(math.max(full, now), now + s.holds)
end

function Bucket.wait(s)
  return math.max(s.full + s.step - s.holds - now, 0)
end

function Bucket.take(s, count)
  s.full = s.full + s.step * count
end

function Bucket.left(s)
  return math.floor((s.holds - s.full + now) / s.step)
end

function Bucket.renews(s)
  local missing = s.full - now
  return missing > 0 and (missing - 1) % s.step + 1 or 0
end

function Bucket.save(s)
  redis.call('SET', s.key, text(s.full), 'PX', text(math.ceil((s.full - now) / 1000) + 1000))
end

-- day, month: "end count".
local Quota = {}

local function month_end(day)
  -- Days since 1970 of the first of the next month (the civil calendar by 400-year eras).
  local z = day + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  -- mp counts months from March.
  if mp == 11 then
    -- February ends with its era's year of March.
    local y = yoe + 1 + era * 400
    local e = math.floor(y / 400)
    local o = y - e * 400
    return e * 146097 + o * 365 + math.floor(o / 4) - math.floor(o / 100) - 719468
  end
  return day - doy + math.floor((153 * (mp + 1) + 2) / 5)
end

function Quota.load(s)
  local day = math.floor(now / DAY)
  s.ends = (s.kind == 'm' and month_end(day) or day + 1) * DAY
  s.used = 0
  local ends, used = string.match(redis.call('GET', s.key) or '', '^(%d+) (%d+)$')
  if ends and tonumber(ends) == s.ends then
    s.used = tonumber(used)
  end
end

function Quota.wait(s)
  return s.used < s.requests and 0 or s.ends - now
end

function Quota.take(s, count)
  s.used = s.used + count
end

function Quota.left(s)
  return math.max(s.requests - s.used, 0)
end

function Quota.renews(s)
  return s.used > 0 and s.ends - now or 0
end

function Quota.save(s)
  redis.call('SET', s.key, text(s.ends) .. ' ' .. text(s.used), 'PX', text(math.ceil((s.ends - now) / 1000) + 1000))
end

local KINDS = {e = Exact, h = Hard, b = Bucket, d = Quota, m = Quota}

-- What a word says: the same for all requests of a route.
local plans = {}

local function plan_of(word)
  local plan = {}
  for kind, requests, window, lease in string.gmatch(word, '(%a) (%d+) (%d+) (%-?%d+)') do
    plan[#plan + 1] = {kind, tonumber(requests), tonumber(window), tonumber(lease)}
  end
  plans[word] = plan
  return plan
end

local states, changed = {}, {}
local out, key = {tonumber(ARGV[1]), now}, 1
for arg = 3, #ARGV do
  local plan = plans[ARGV[arg]] or plan_of(ARGV[arg])
  local count = #plan
  local levels, refused, longest = {}, 0, 0
  for i = 1, count do
    local name = KEYS[key]
    local s = states[name]
    if not s then
      local kind, requests, window = unpack(plan[i])
      s = {key = name, kind = kind, requests = requests, window = window, of = KINDS[kind]}
      s.of.load(s)
      states[name] = s
    end
    key = key + 1
    levels[i] = s
    local wait = s.of.wait(s)
    if wait > longest then
      refused, longest = i, wait
    end
  end
  out[#out + 1] = refused
  out[#out + 1] = longest
  for i = 1, count do
    local s, lease, granted = levels[i], plan[i][4], 0
    if refused == 0 and lease >= 0 then
      granted = lease == 0 and 1 or math.max(1, math.min(lease, math.floor(s.of.left(s) / SHARE)))
      s.of.take(s, granted)
      if not s.dirty then
        s.dirty = true
        changed[#changed + 1] = s
      end
    end
    out[#out + 1] = math.max(s.of.left(s), 0)
    out[#out + 1] = s.of.renews(s)
    if lease > 0 then
      out[#out + 1] = granted
    end
  end
end
for _, s in ipairs(changed) do
  s.of.save(s)
end
return out
