local MAKE = {e = exact, h = hard, b = bucket, d = quota, m = quota}
local kinds = {}

-- What a word says: the same for all requests of a route.
local plans = {}

local function plan_of(word)
  local plan = {}
  for kind, requests, window, lease in string.gmatch(word, '(%a) (%d+) (%d+) (%-?%d+)') do
    local low = string.lower(kind)
    kinds[low] = kinds[low] or MAKE[low]()
    plan[#plan + 1] = {
      kind = low, of = kinds[low], requests = tonumber(requests), window = tonumber(window), lease = tonumber(lease),
      told = kind == low,
    }
  end
  plans[word] = plan
  return plan
end

local states = {}
local out, key = {tonumber(ARGV[1]), now}, 0
local last = 2
for arg = 3, #ARGV do
  local plan = plans[ARGV[arg]] or plan_of(ARGV[arg])
  local levels, refused, longest = {}, 0, 0
  for i, level in ipairs(plan) do
    key = key + 1
    local name = KEYS[key]
    local s = states[name]
    if not s then
      s = level.of.load(name, level.of, level.requests, level.window, level.kind)
      states[name] = s
    end
    levels[i] = s
    local wait = s.of.wait(s)
    if wait > longest then
      refused, longest = i, wait
    end
  end
  out[last + 1], out[last + 2] = refused, longest
  last = last + 2
  for i, level in ipairs(plan) do
    local s, of, lease, granted = levels[i], levels[i].of, level.lease, 0
    if refused == 0 and lease >= 0 then
      granted = lease == 0 and 1 or math.max(1, math.min(lease, math.floor(of.left(s) / SHARE)))
      of.take(s, granted)
      mark(s)
    end
    out[last + 1] = math.max(of.left(s), 0)
    out[last + 2] = level.told and of.renews(s) or 0
    last = last + 2
    if lease > 0 then
      last = last + 1
      out[last] = granted
    end
  end
end
for _, s in ipairs(changed) do
  s.of.save(s)
end
return out
