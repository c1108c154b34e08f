-- day, month: "end count".
local function quota()
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

  local function load(key, of, requests, window, kind)
    local day = math.floor(now / DAY)
    local s = {
      key = key, of = of, requests = requests, dirty = false,
      ends = (kind == 'm' and month_end(day) or day + 1) * DAY, used = 0,
    }
    local ends, used = string.match(call('GET', key) or '', '^(%d+) (%d+)$')
    -- Later only where the clock has stepped back: there is no second quota for it.
    if ends and tonumber(ends) >= s.ends then
      s.used = tonumber(used)
    end
    return s
  end

  local function wait(s)
    return s.used < s.requests and 0 or s.ends - now
  end

  local function take(s, count)
    s.used = s.used + count
  end

  local function left(s)
    return math.max(s.requests - s.used, 0)
  end

  local function renews(s)
    return s.used > 0 and s.ends - now or 0
  end

  local function save(s)
    call('SET', s.key, text(s.ends) .. ' ' .. text(s.used), 'PX', text(math.ceil((s.ends - now) / 1000) + 1000))
  end

  return {load = load, wait = wait, take = take, left = left, renews = renews, save = save}
end
