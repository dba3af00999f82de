-- wrk: POST the bodies in the files named on the command line in turn; before them stand the path, the content type,
-- and the name and value of one more header. Prints the result as one JSON line.
require("report")

local requests, next = {}, 0

function init(args)
  for i = 5, #args do
    local file = assert(io.open(args[i], "rb"))
    local headers = {["Content-Type"] = args[2], [args[3]] = args[4]}
    requests[i - 4] = wrk.format("POST", args[1], headers, file:read("*a"))
    file:close()
  end
end

function request()
  next = next % #requests + 1
  return requests[next]
end
