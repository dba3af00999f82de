-- wrk: POST one body to a path again and again, and print the result as one JSON line: TYPE, FILE and headers as name=value.
local headers, body = {}, nil

function init(args)
  headers["Content-Type"] = args[1]
  local file = assert(io.open(args[2], "rb"))
  body = file:read("*a")
  file:close()
  for place = 3, #args do
    local name, value = args[place]:match("([^=]+)=(.*)")
    headers[name] = value
  end
end

function request()
  return wrk.format("POST", nil, headers, body)
end

function done(summary, latency, _)
  print(string.format('{"seconds": %.3f, "answers": %d, "not_2xx": %d, "p50_ms": %.3f, "p99_ms": %.3f}',
    summary.duration / 1e6, summary.requests, summary.errors.status,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
