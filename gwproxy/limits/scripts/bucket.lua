-- bucket: when it will be full again.
local function bucket()
  local function load(key, of, requests, window)
    local step = math.ceil(window / requests)
    local holds = step * requests
    local full = tonumber(call('GET', key) or now)
    return {
      key = key, of = of, requests = requests, dirty = false,
      step = step, holds = holds, full = math.min(math.max(full, now), now + holds),
    }
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
    call('SET', s.key, text(s.full), 'PX', text(math.ceil((s.full - now) / 1000) + 1000))
  end

  return {load = load, wait = wait, take = take, left = left, renews = renews, save = save}
end
