-- exact: a ring of times. "<I4I4I4dd": size, head, used, the newest time, until when it is kept; then a double for each
-- slot. It is kept for two windows, so that its expiry need not be set each time.
local function exact()
  local HEAD = 28
  -- Slots that are read together: where one has left the window the next one is looked at.
  local AHEAD = 4

  -- Before the first `take` of a call, since the oldest time is looked at before it: what was taken is not read over.
  local function read(s, from, last)
    local raw = call('GETRANGE', s.key, text(HEAD + 8 * from), text(HEAD + 7 + 8 * last))
    for at = 1, #raw - 7, 8 do
      s.slots[from] = unpack_of('<d', raw, at)
      from = from + 1
    end
  end

  local function slot(s, at)
    if not s.slots[at] then
      read(s, at, at + AHEAD - 1)
    end
    return s.slots[at]
  end

  local function rewritten(s, size, shift)
    -- The newest `size` times in a ring of that size, each earlier by `shift`.
    local kept, slots = math.min(s.used, size), {}
    if s.used > 0 and not s.whole then
      read(s, 0, s.size - 1)
    end
    for i = 0, kept - 1 do
      slots[i] = s.slots[(s.head + s.used - kept + i) % s.size] - shift
    end
    s.slots, s.size, s.head, s.used, s.whole = slots, size, 0, kept, true
    s.newest = s.newest - shift
  end

  local function load(key, of, requests, window)
    local raw = call('GETRANGE', key, '0', '27')
    local size, head, used, newest, kept = requests, 0, 0, 0, 0
    if #raw == HEAD then
      size, head, used, newest, kept = unpack_of('<I4I4I4dd', raw)
    end
    local s = {
      key = key, of = of, requests = requests, window = window, dirty = false,
      size = size, head = head, used = used, newest = newest, kept = kept, slots = {}, written = {}, whole = false,
    }
    if size < requests then
      rewritten(s, requests, 0)
    end
    return s
  end

  local function wait(s)
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
    -- Not for a little: gateways with limits that are near each other would write it anew for each other's requests.
    if s.size >= 2 * s.requests and s.used <= s.requests then
      rewritten(s, s.requests, 0)
    end
    if s.used < s.requests then
      return 0
    end
    -- More than one over only where the limit has become smaller, or is smaller for this gateway than for another.
    return slot(s, (s.head + s.used - s.requests) % s.size) + s.window - now
  end

  local function take(s, count)
    for _ = 1, count do
      local at = (s.head + s.used) % s.size
      s.slots[at] = now
      s.written[#s.written + 1] = at
      s.used = s.used + 1
    end
    s.newest = now
  end

  local function left(s)
    return s.requests - s.used
  end

  local function renews(s)
    return s.used > 0 and slot(s, s.head) + s.window - now or 0
  end

  local function save(s)
    local lasts = s.whole or s.kept < now + s.window
    if lasts then
      s.kept = now + 2 * s.window
    end
    if s.whole then
      local all = {pack('<I4I4I4dd', s.size, 0, s.used, s.newest, s.kept)}
      for i = s.head, s.head + s.used - 1 do
        all[#all + 1] = pack('<d', s.slots[i % s.size])
      end
      call('SET', s.key, table.concat(all))
    else
      call('SETRANGE', s.key, '0', pack('<I4I4I4dd', s.size, s.head, s.used, s.newest, s.kept))
      for _, at in ipairs(s.written) do
        call('SETRANGE', s.key, text(HEAD + 8 * at), pack('<d', s.slots[at]))
      end
    end
    if lasts then
      call('PEXPIRE', s.key, text(math.ceil(2 * s.window / 1000) + 1000))
    end
  end

  return {load = load, wait = wait, take = take, left = left, renews = renews, save = save}
end
