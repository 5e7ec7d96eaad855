-- A client that has lost its disk comes back with a wall clock that says less than before. Registrations are ordered by
-- that clock across all homes, so what the others know of it is newer than what it says now. It is believed all the same.
local function world(title, nat)
    scenario(title)
    seeds(5)
    duration "150s"
    server "s1" { delay = "10ms" }
    server "s2" { delay = "10ms" }
    router "a1" { nat = "home", delay = "8ms" }
    router "b1" { nat = nat, delay = "12ms" }
    client "a" { behind = "a1", delay = "1ms", home = "s1", reserve = "s2" }
    client "b" { behind = "b1", delay = "1ms", home = "s2", reserve = "s1" }
end

for _, nat in ipairs { "home", "symmetric" } do
    for _, off in ipairs { "-1s", "-1h", "-23h" } do
        local how = (", and its clock is off by %s, %s"):format(off, nat == "home" and "directly" or "through the relay")

        world("the callee loses its disk while they talk" .. how, nat)
        at "10s" { connect("a", "b") }
        at "11s" { talk("a", "b", { every = "50ms", lasts = "130s" }) }
        at "30s" { crash "b" }
        at "31s" { clock("b", off) }
        at "32s" { restart "b" }
        expect { always, after = "38s", data("a", "b", { gap = "1s" }) }
        expect { always, after = "38s", data("b", "a", { gap = "1s" }) }
        expect { finally, verdict("a", "b", { bounds = false }) }

        world("the caller loses its disk while they talk" .. how, nat)
        at "10s" { connect("a", "b") }
        at "11s" { talk("a", "b", { every = "50ms", lasts = "130s" }) }
        at "30s" { crash "a" }
        at "31s" { clock("a", off) }
        at "32s" { restart "a" }
        at "33s" { connect("a", "b") }
        expect { always, after = "36s", data("a", "b", { gap = "1s" }) }
        expect { always, after = "36s", data("b", "a", { gap = "1s" }) }
        expect { finally, verdict("a", "b", { bounds = false }) }

        world("whom nobody has called yet loses its disk" .. how, nat)
        at "30s" { crash "b" }
        at "31s" { clock("b", off) }
        at "32s" { restart "b" }
        at "40s" { connect("a", "b") }
        at "41s" { talk("a", "b", { every = "50ms", lasts = "60s" }) }
        expect { within = "200ms", after = "40s", data("a", "b") }
        expect { always, after = "41s", data("a", "b", { gap = "1s" }) }
        expect { always, after = "41s", data("b", "a", { gap = "1s" }) }
        expect { finally, verdict("a", "b", { bounds = false }) }
    end
end

-- Its reserve has become its home meanwhile, and has told so the caller's home, which neither of them is. When it is back
-- at its first home, what it says there has smaller numbers.
for _, off in ipairs { "0s", "-1s", "-1h", "-23h" } do
    scenario(("a client loses its disk and its home, and its clock is off by %s"):format(off))
    seeds(5)
    duration "150s"
    server "s1" { delay = "10ms" }
    server "s2" { delay = "10ms" }
    server "s3" { delay = "10ms" }
    router "a1" { nat = "home", delay = "8ms" }
    router "b1" { nat = "home", delay = "12ms" }
    client "a" { behind = "a1", delay = "1ms", home = "s3" }
    client "b" { behind = "b1", delay = "1ms", home = "s2", reserve = "s1" }
    at "10s" { crash "s2" }
    at "40s" { restart "s2" }
    at "60s" { crash "b" }
    at "61s" { clock("b", off) }
    at "62s" { restart "b" }
    at "70s" { connect("a", "b") }
    at "71s" { talk("a", "b", { every = "50ms", lasts = "60s" }) }
    expect { within = "200ms", after = "70s", data("a", "b") }
    expect { always, after = "71s", data("a", "b", { gap = "1s" }) }
    expect { always, after = "71s", data("b", "a", { gap = "1s" }) }
    expect { finally, verdict("a", "b", { bounds = false }) }
end

-- The same, and the reserve is out of its reach then. Whoever asks for it is sent to the reserve, whose word has the
-- larger number, until that is forgotten: at once where the reserve is silent to the other homes too, and else when it
-- has not heard of the client for so long that it forgets it itself.
for _, gone in ipairs { "crashed", "cut off from it" } do
    scenario("a client loses its disk and its home, its clock is off by -1h, and its reserve is " .. gone)
    seeds(5)
    duration "10m"
    server "s1" { delay = "10ms" }
    server "s2" { delay = "10ms" }
    server "s3" { delay = "10ms" }
    router "a1" { nat = "home", delay = "8ms" }
    router "b1" { nat = "home", delay = "12ms" }
    client "a" { behind = "a1", delay = "1ms", home = "s3" }
    client "b" { behind = "b1", delay = "1ms", home = "s2", reserve = "s1" }
    at "10s" { crash "s2" }
    at "40s" { restart "s2" }
    at "60s" { crash "b", gone == "crashed" and crash "s1" or sever("b", "s1") }
    at "61s" { clock("b", "-1h") }
    at "62s" { restart "b" }
    at "70s" { connect("a", "b") }
    at "71s" { send("a", "b", { every = "50ms", lasts = "500s" }) }
    local well = gone == "crashed" and "85s" or "300s"
    expect { always, after = well, data("a", "b", { gap = "1s" }) }
    expect { finally, verdict("a", "b", { bounds = false }) }
end

-- A clock that is set back while the client runs, which then goes to another network and back.
for _, off in ipairs { "-1s", "-1h", "-23h" } do
    scenario(("a running client's clock is set to %s, and it roams"):format(off))
    seeds(5)
    duration "150s"
    server "s1" { delay = "10ms" }
    server "s2" { delay = "10ms" }
    router "a1" { nat = "home", delay = "8ms" }
    router "wifi" { nat = "home", delay = "5ms" }
    router "lte" { nat = "home", delay = "25ms" }
    client "a" { behind = "a1", delay = "1ms", home = "s1", reserve = "s2" }
    client "b" { behind = { "wifi", "lte" }, home = "s2", reserve = "s1" }
    at "20s" { clock("b", off) }
    at "30s" { unplug("b", { interface = "wifi" }) }
    at "40s" { connect("a", "b") }
    at "41s" { talk("a", "b", { every = "50ms", lasts = "90s" }) }
    at "70s" { plug("b", { interface = "wifi" }) }
    expect { within = "200ms", after = "40s", data("a", "b") }
    expect { always, after = "41s", data("a", "b", { gap = "1s" }) }
    expect { always, after = "41s", data("b", "a", { gap = "1s" }) }
    expect { finally, verdict("a", "b", { bounds = false }) }
end
