-- wrk: POST the photos named on the command line in turn, and print the result as one JSON line.
require("photos")
require("report")
