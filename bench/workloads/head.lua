-- A browser's request: with Host (which wrk adds) 16 fields and about 1.1 KB.
wrk.headers = {
  ["Authorization"] = wrk.headers["Authorization"], -- where one is wanted, a seventeenth
  ["Connection"] = "keep-alive",
  ["sec-ch-ua"] = '"Chromium";v="130", "Google Chrome";v="130", "Not?A_Brand";v="99"',
  ["sec-ch-ua-mobile"] = "?0",
  ["sec-ch-ua-platform"] = '"Linux"',
  ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
  ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
  ["Accept-Encoding"] = "gzip, deflate, br, zstd",
  ["Accept-Language"] = "en-GB,en;q=0.9,de;q=0.8",
  ["Cache-Control"] = "max-age=0",
  ["Referer"] = "https://shop.example.com/catalogue/books?page=3&sort=price",
  ["Sec-Fetch-Dest"] = "document",
  ["Sec-Fetch-Mode"] = "navigate",
  ["Sec-Fetch-Site"] = "same-origin",
  ["If-None-Match"] = '"5f2b-6a1c9d"',
  ["Cookie"] = "session=7d3f0a51c2e84b6f9a0d; theme=dark; consent=analytics%3Dno%26ads%3Dno; cart=b3J"
    .. "kZXI6NDcxMQ; _visit=GA1.1.1482095723.1730412345; _visit_h=GS1.1.1730412345.7.1.1730412789.0.0."
    .. "0; locale=en-GB; csrftoken=Xr7TqZ2mJf1nWc5LpVb8Ky4Hs6Dg9Aou3EeRiNtQ",
}
