-- wrk: POST the photos named on the command line, count the answers by kind, and print the result as one JSON line.
require("photos")

local threads = {}
answers, refusals, others = 0, 0, 0

function setup(thread)
  table.insert(threads, thread)
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
