-- Webhooks for wrk: wrk -s load.lua URL -- FILE [PAUSE_MS]
-- FILE has a signature, a space and a body a line. With PAUSE_MS each connection rests between an
-- answer and the next request, for that long on the average.

local requests = {}
local place = 0

function init(arguments)
    for line in io.lines(arguments[1]) do
        local signature, body = line:match("^(%x+) (.*)$")
        local headers = {["content-type"] = "application/json", ["propexo-signature"] = signature}
        table.insert(requests, wrk.format("POST", nil, headers, body))
    end
    local pause = tonumber(arguments[2])
    if pause then
        math.randomseed(os.time())
        function delay()
            return math.random(0, 2 * pause)
        end
    end
end

function request()
    place = place % #requests + 1
    return requests[place]
end

function done(summary, latency)
    local errors = summary.errors
    local figures = {
        requests = summary.requests,
        duration_us = summary.duration,
        bad_answers = errors.status,
        broken = errors.connect + errors.read + errors.write + errors.timeout,
        p50_us = latency:percentile(50),
        p99_us = latency:percentile(99),
        max_us = latency.max,
    }
    local parts = {}
    for name, value in pairs(figures) do
        table.insert(parts, string.format("%q:%.0f", name, value))
    end
    print("figures={" .. table.concat(parts, ",") .. "}")
end
