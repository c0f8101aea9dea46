-- For wrk: post the file $BODY, on a new connection each time where $CONNECTION is "close"; at the
-- end one line of JSON.
local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.method, wrk.body = "POST", file:read("*a")
wrk.headers["Connection"] = os.getenv("CONNECTION")

function done(summary, latency)
  local lost = summary.errors
  io.write(string.format(
    '{"answers": %d, "microseconds": %d, "not_200": %d, "lost": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration, lost.status,
    lost.connect + lost.read + lost.write + lost.timeout,
    latency:percentile(50), latency:percentile(99)))
end
