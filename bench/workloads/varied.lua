-- Like head.lua, but nothing can be remembered from one request to the next. The parts that stay
-- are joined once, so that the shared core pays for one concatenation a request.
local fixed = table.concat({
  "Connection: keep-alive",
  'sec-ch-ua: "Chromium";v="130", "Google Chrome";v="130", "Not?A_Brand";v="99"',
  "sec-ch-ua-mobile: ?0",
  'sec-ch-ua-platform: "Linux"',
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
  "Referer: https://shop.example.com/catalogue/books?page=3&sort=price",
  "Sec-Fetch-Dest: document",
  "Sec-Fetch-Mode: navigate",
  "Sec-Fetch-Site: same-origin",
  "",
}, "\r\n")
local count = 0
local tokens = { [0] = "" }
local many = 1

-- With a file of tokens, one a line, each request has the next.
function init(args)
  if args[1] then
    many = 0
    for token in io.lines(args[1]) do
      tokens[many] = "Authorization: Bearer " .. token .. "\r\n"
      many = many + 1
    end
  end
end

function request()
  count = count + 1
  return "GET /varied/" .. count .. "?item=" .. count * 7919 % 100003 .. " HTTP/1.1\r\nHost: bench.example\r\n"
    .. fixed .. "X-Trace: " .. count * 104729 .. "\r\nIf-None-Match: \"" .. count * 31
    .. "\"\r\nCookie: session=" .. count * 15485863 .. "; theme=dark\r\n" .. tokens[count % many] .. "\r\n"
end
