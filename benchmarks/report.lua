-- wrk: print the result as one JSON line.
function done(summary, latency, _)
  local errors = summary.errors
  print(string.format(
    '{"seconds": %.3f, "answers": %d, "not_2xx": %d, "broken": %d, "p50_ms": %.3f, "p99_ms": %.3f,' ..
      ' "p999_ms": %.3f, "longest_ms": %.3f}',
    summary.duration / 1e6, summary.requests, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency:percentile(99.9) / 1e3, latency.max / 1e3))
end
