-- wrk: the photos named on the command line, behind the name of a backend, as requests that are sent in turn.
local requests, next = {}, 0

function init(args)
  for i = 2, #args do
    local file = assert(io.open(args[i], "rb"))
    requests[i - 1] = wrk.format("POST", "/detect?backend=" .. args[1], {["Content-Type"] = "image/jpeg"}, file:read("*a"))
    file:close()
  end
end

function request()
  next = next % #requests + 1
  return requests[next]
end
