-- hard: sixty parts and the one that runs. "<dd": the last part, the total; then the counts. A window of another length has
-- another key. Most often only the count of the part that runs is needed: `here`. Then `raw` has the others, and `counts`
-- is not there.
local function hard()
  local COUNTS = '<' .. string.rep('I4', PARTS)
  local FIRST = 17

  local function load(key, of, requests, window)
    local part_us = math.ceil(window / (PARTS - 1))
    local part = math.floor(now / part_us)
    local s = {
      key = key, of = of, requests = requests, window = window, dirty = false,
      part_us = part_us, last = part, total = 0, here = 0, raw = false, counts = false,
    }
    local raw = call('GET', key)
    if not raw then
      s.counts = {}
      for i = 1, PARTS do s.counts[i] = 0 end
      return s
    end
    local last, total = unpack_of('<dd', raw)
    s.total = total
    if last == part then
      s.raw, s.here = raw, unpack_of('<I4', raw, FIRST + 4 * (part % PARTS))
      return s
    end
    if last < part and part - last < PARTS then
      s.counts = {unpack_of(COUNTS, raw, FIRST)}
      for each = last + 1, part do
        local at = each % PARTS + 1
        s.total = s.total - s.counts[at]
        s.counts[at] = 0
      end
      return s
    end
    s.counts = {}
    for i = 1, PARTS do s.counts[i] = 0 end
    if last < part then
      s.total = 0
    else
      -- A clock that has stepped back: all that was counted counts as of now.
      s.here = total
      s.counts[part % PARTS + 1] = total
    end
    return s
  end

  local function all(s)
    if not s.counts then
      s.counts = {unpack_of(COUNTS, s.raw, FIRST)}
      s.counts[s.last % PARTS + 1] = s.here
    end
    return s.counts
  end

  local function leaves(s, least)
    local counts = all(s)
    for part = s.last - PARTS + 1, s.last do
      least = least - counts[part % PARTS + 1]
      if least <= 0 then
        return part + PARTS
      end
    end
    return s.last + PARTS
  end

  local function wait(s)
    local over = s.total - s.requests + 1
    return over <= 0 and 0 or leaves(s, over) * s.part_us - now
  end

  local function take(s, count)
    s.here = s.here + count
    s.total = s.total + count
    if s.counts then
      s.counts[s.last % PARTS + 1] = s.here
    end
  end

  local function left(s)
    return math.max(s.requests - s.total, 0)
  end

  local function renews(s)
    return s.total > 0 and leaves(s, 1) * s.part_us - now or 0
  end

  local function save(s)
    local counts
    if s.counts then
      counts = pack(COUNTS, unpack(s.counts))
    else
      local before = FIRST + 4 * (s.last % PARTS) - 1
      counts = string.sub(s.raw, FIRST, before) .. pack('<I4', s.here) .. string.sub(s.raw, before + 5)
    end
    local value = pack('<dd', s.last, s.total) .. counts
    call('SET', s.key, value, 'PX', text(math.ceil(s.part_us * PARTS / 1000) + 1000))
  end

  return {load = load, wait = wait, take = take, left = left, renews = renews, save = save}
end
