-- A client or a server whose process is gone comes back with its identity and nothing else: no session, no counter, no
-- sequence of registrations, no version of anything. Nobody takes it for a replay, and the pair talks again.
local function story(title, calls_again, words)
    scenario(title)
    seeds(5)
    duration "90s"
    server "s1" { delay = "10ms" }
    server "s2" { delay = "10ms" }
    router "a1" { nat = words.a or "home", delay = "8ms" }
    router "b1" { nat = words.b or "home", delay = "12ms" }
    client "a" { behind = "a1", delay = "1ms", home = "s1", reserve = "s2" }
    client "b" { behind = "b1", delay = "1ms", home = "s2", reserve = "s1" }
    at "10s" { connect("a", "b") }
    at "11s" { talk("a", "b", { every = "50ms", lasts = "60s" }) }
    expect { within = "1s", after = "10s", data("a", "b") }
    -- Once the other side, or the script, has called again, there is data both ways, and the path is as before.
    local well = words.well
    expect { always, after = well, data("a", "b", { gap = "1s" }) }
    expect { always, after = well, data("b", "a", { gap = "1s" }) }
    expect { finally, verdict("a", "b", { bounds = false }) }
    if calls_again then at(calls_again) { connect("a", "b") } end
end

for _, nat in ipairs { "home", "symmetric" } do
    local against = nat == "home" and " directly" or " through the relay"
    story("the callee loses its disk while they talk" .. against, nil, { b = nat, well = "38s" })
    at "30s" { crash "b" }
    at "32s" { restart "b" }

    story("the caller loses its disk while they talk" .. against, "33s", { b = nat, well = "36s" })
    at "30s" { crash "a" }
    at "32s" { restart "a" }

    story("the callee is started again at once" .. against, nil, { b = nat, well = "38s" })
    at "30s" { restart "b" }

    story("the callee loses its disk five times" .. against, nil, { b = nat, well = "50s" })
    for i = 0, 4 do at((30 + 3 * i) .. "s") { restart "b" } end

    story("the callee's home loses its disk" .. against, nil, { b = nat, well = "40s" })
    at "30s" { crash "s2" }
    at "32s" { restart "s2" }

    story("both homes lose theirs at once" .. against, nil, { b = nat, well = "50s" })
    at "30s" { restart "s1", restart "s2" }
end

-- Registrations are numbered from 1 at each start. A client whose network changed ten times has sent its home many, and comes
-- back with smaller numbers than that knows, long before the old registration is forgotten: it is called, and calls, at once.
scenario "a client comes back with older numbers than its home knows"
seeds(5)
duration "2m"
server "s1" { delay = "10ms" }
server "s2" { delay = "10ms" }
router "a1" { nat = "home", delay = "8ms" }
client "a" { behind = "a1", delay = "1ms", home = "s1", reserve = "s2" }
client "b" { behind = { "internet", "internet" }, home = "s2", reserve = "s1" }
for i = 0, 9 do
    at((4 + 2 * i) .. "s") { unplug "b" }
    at((5 + 2 * i) .. "s") { plug "b" }
end
at "30s" { restart "b" }
at "32s" { connect("a", "b") }
at "33s" { send("a", "b", { every = "50ms", lasts = "20s" }) }
at "60s" { restart "b" }
at "61s" { connect("b", "a") }
at "62s" { send("b", "a", { every = "50ms", lasts = "20s" }) }
expect { within = "200ms", after = "32s", data("a", "b") }
expect { always, after = "33s", data("a", "b", { gap = "1s" }) }
expect { within = "200ms", after = "61s", data("b", "a") }
expect { always, after = "62s", data("b", "a", { gap = "1s" }) }
expect { within = "3s", after = "32s", direct("a", "b") }
