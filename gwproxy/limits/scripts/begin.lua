-- Decides over all limits of some requests, one request after another, each whole or not at all.
--
-- KEYS: a key for each limit of each request, in order. ARGV: the number of the call; the time in microseconds ("0": the
-- server's); then for each request its limits in one word: kind, requests, window in microseconds and lease of each, with
-- blanks between. A lease of 0 asks for one permit, above 0 for up to so many, and below 0 only looks. Of a kind in
-- capitals nobody wants to know when there will be more: 0 is given.
-- Gives: the number of the call; the time; then for each request which limit refuses for longest (0: none, and all have
-- been taken), how long it does, and for each limit what is left, in which time there will be more, and of a limit with
-- a lease how many permits it gave.
--
-- The kinds are those of gwproxy/limits/*.py, which hypothesis holds to these; each is a file of its own, and made only
-- where it is asked for, since all of this runs for each call. PARTS and SHARE come before it (script.py). Numbers are
-- microseconds; doubles hold them exactly until the year 2255. What is written: one value a limit, with an expiry.

local DAY = 86400000000

local call, pack, unpack_of = redis.call, struct.pack, struct.unpack

local function text(number)
  -- A number that is handed to a command as such is written as a double, with seventeen digits: that takes longer than
  -- the command.
  return string.format('%d', number)
end

-- What is written at the end.
local changed = {}

local function mark(s)
  if not s.dirty then
    s.dirty = true
    changed[#changed + 1] = s
  end
end

local now = tonumber(ARGV[2])
if now == 0 then
  local time = call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
