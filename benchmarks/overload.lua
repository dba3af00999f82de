-- wrk: POST the photos named on the command line, count the answers by kind, and print the result as one JSON line.
local requests, threads = {}, {}
answers, refusals, others = 0, 0, 0

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  for i = 2, #args do
    local file = assert(io.open(args[i], "rb"))
    requests[i - 1] = wrk.format("POST", "/detect?backend=" .. args[1], {["Content-Type"] = "image/jpeg"}, file:read("*a"))
    file:close()
  end
end

local next = 0

function request()
  next = next % #requests + 1
  return requests[next]
end

function response(status, headers, _)
  if status == 200 then
    answers = answers + 1
  elseif status == 429 and headers["retry-after"] then
    refusals = refusals + 1
  else
    others = others + 1
  end
end

function done(summary, _, _)
  local found = {answers = 0, refusals = 0, others = 0}
  for _, thread in ipairs(threads) do
    for name in pairs(found) do
      found[name] = found[name] + thread:get(name)
    end
  end
  local errors = summary.errors
  print(string.format('{"seconds": %.3f, "answers": %d, "refusals": %d, "others": %d, "broken": %d}',
    summary.duration / 1e6, found.answers, found.refusals, found.others,
    errors.connect + errors.read + errors.write + errors.timeout))
end
