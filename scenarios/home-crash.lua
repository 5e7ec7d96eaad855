-- A home server crashes. A direct pair goes on without it; a call afterwards goes through the reserve; a pair that needs
-- the relay goes through the reserve as soon as the home is given up. When the home is there again, all is well as before.

local function world(title, left, right, homes)
    scenario(title)
    duration "120s"
    server "s1"    { delay = "5ms" }
    server "s2"    { delay = "5ms" }
    router "left"  { nat = left, delay = "10ms" }
    router "right" { nat = right, delay = "15ms" }
    client "alice" { behind = "left", home = "s1", reserve = "s2" }
    client "bob"   { behind = "right", home = homes[1], reserve = homes[2] }
end

for _, homes in ipairs { { "s1", "s2" }, { "s2", "s1" } } do
    local which = homes[1] == "s1" and "that is both's home" or "that is the caller's home"
    world("a direct pair, and a server " .. which .. " crashes", "home", "home", homes)
    at "8s"  { connect("alice", "bob") }
    at "10s" { talk("alice", "bob", { every = "50ms", lasts = "100s" }) }
    at "22s" { crash "s1" }
    at "80s" { restart "s1" }
    expect { always, after = "10s", direct("alice", "bob") }
    expect { always, after = "10s", data("alice", "bob", { gap = "100ms" }) }
    expect { always, after = "10s", data("bob", "alice", { gap = "100ms" }) }

    world("a call after a server " .. which .. " has crashed", "home", "home", homes)
    at "22s" { crash "s1" }
    at "70s" { connect("alice", "bob") }
    at "71s" { talk("alice", "bob", { every = "50ms", lasts = "20s" }) }
    at "80s" { restart "s1" }
    expect { within = "100ms", after = "70s", data("alice", "bob") }
    expect { always, after = "71s", direct("alice", "bob") }

    world("a relayed pair, and a server " .. which .. " crashes", "apdm-apdf", "apdm-apdf", homes)
    at "8s"  { connect("alice", "bob") }
    at "10s" { talk("alice", "bob", { every = "50ms", lasts = "100s" }) }
    at "22s" { crash "s1" }
    at "80s" { restart "s1" }
    expect { within = "3s", after = "8s", relayed("alice", "bob", "apdm-against-apdf") }
    expect { always, after = "10s", data("alice", "bob", { gap = "10s" }) }
    expect { always, after = "10s", data("bob", "alice", { gap = "10s" }) }
    expect { always, after = "40s", data("alice", "bob", { gap = "100ms" }) }
    expect { always, after = "40s", data("bob", "alice", { gap = "100ms" }) }
    expect { never, after = "40s", unreachable("alice", "bob") }
    expect { finally, relayed("alice", "bob", "apdm-against-apdf") }
end
