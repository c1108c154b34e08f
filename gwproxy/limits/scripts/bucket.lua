-- bucket: "<dd": when it will be full again, and how long a permit took when that was written. Under another rate the
-- permits that were used count, not the time that they would have taken.
local function bucket()
  local function load(key, of, requests, window)
    local step = math.ceil(window / requests)
    local holds = step * requests
    local missing, raw, other = 0, call('GET', key), false
    if raw then
      local full, before = unpack_of('<dd', raw)
      missing = math.max(full - now, 0)
      if before ~= step then
        missing = math.ceil(missing / before) * step
        other = missing > 0
      end
    end
    local s = {
      key = key, of = of, requests = requests, dirty = false,
      step = step, holds = holds, full = now + math.min(missing, holds),
    }
    if other then
      -- From here it fills at this rate, also for who is refused.
      mark(s)
    end
    return s
  end

  local function wait(s)
    return math.max(s.full + s.step - s.holds - now, 0)
  end

  local function take(s, count)
    s.full = s.full + s.step * count
  end

  local function left(s)
    return math.floor((s.holds - s.full + now) / s.step)
  end

  local function renews(s)
    local missing = s.full - now
    return missing > 0 and (missing - 1) % s.step + 1 or 0
  end

  local function save(s)
    call('SET', s.key, pack('<dd', s.full, s.step), 'PX', text(math.ceil((s.full - now) / 1000) + 1000))
  end

  return {load = load, wait = wait, take = take, left = left, renews = renews, save = save}
end
