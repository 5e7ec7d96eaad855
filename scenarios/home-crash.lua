-- A home server crashes. A direct pair goes on without it; a call afterwards goes through the reserve; a pair that needs
-- the relay goes through the reserve once the home has left four questions unanswered, which takes less than six seconds.
-- The home that comes back is the reserve then, and takes over in its turn.

local function world(title, nat, homes)
    scenario(title)
    duration "120s"
    server "s1"    { delay = "5ms" }
    server "s2"    { delay = "5ms" }
    router "left"  { nat = nat, delay = "10ms" }
    router "right" { nat = nat, delay = "15ms" }
    client "alice" { behind = "left", home = "s1", reserve = "s2" }
    client "bob"   { behind = "right", home = homes[1], reserve = homes[2] }
end

-- Both ways, from `after` on, without a longer gap.
local function flows(after, gap)
    expect { always, after = after, data("alice", "bob", { gap = gap }) }
    expect { always, after = after, data("bob", "alice", { gap = gap }) }
end

for _, homes in ipairs { { "s1", "s2" }, { "s2", "s1" } } do
    local which = homes[1] == "s1" and "the home of both" or "the caller's home"

    world(which .. " crashes under a direct pair", "home", homes)
    at "8s"  { connect("alice", "bob") }
    at "10s" { talk("alice", "bob", { every = "50ms", lasts = "100s" }) }
    at "22s" { crash "s1" }
    at "80s" { restart "s1" }
    expect { always, after = "10s", direct("alice", "bob") }
    flows("10s", "100ms")

    world(which .. " has crashed before the call", "home", homes)
    at "20s" { crash "s1" }
    at "70s" { connect("alice", "bob") }
    at "71s" { talk("alice", "bob", { every = "50ms", lasts = "20s" }) }
    at "80s" { restart "s1" }
    -- Three times the way by the reserve: a handshake, and the packet.
    expect { within = "105ms", after = "70s", data("alice", "bob") }
    expect { always, after = "71s", direct("alice", "bob") }

    world(which .. " crashes just before the call", "home", homes)
    at "22s" { crash "s1" }
    at "23s" { connect("alice", "bob") }
    at "24s" { talk("alice", "bob", { every = "50ms", lasts = "20s" }) }
    -- A callee that has said nothing for a while does not know yet: his reserve takes over when his home, too, is silent.
    expect { within = "15s", after = "23s", data("alice", "bob") }
    expect { always, after = "40s", direct("alice", "bob") }

    world(which .. " crashes under a relayed pair", "apdm-apdf", homes)
    at "8s"  { connect("alice", "bob") }
    at "10s" { talk("alice", "bob", { every = "50ms", lasts = "100s" }) }
    at "22s" { crash "s1" }
    at "80s" { restart "s1" }
    expect { within = "3s", after = "8s", relayed("alice", "bob", "apdm-against-apdf") }
    expect { never, after = "8s", unreachable("alice", "bob") }
    expect { finally, relayed("alice", "bob", "apdm-against-apdf") }
    flows("10s", "6s")
    flows("28s", "100ms")

    world(which .. " crashes, and after its restart the other one", "apdm-apdf", homes)
    at "8s"  { connect("alice", "bob") }
    at "10s" { talk("alice", "bob", { every = "50ms", lasts = "100s" }) }
    at "22s" { crash "s1" }
    at "40s" { restart "s1" }
    at "70s" { crash "s2" }
    expect { never, after = "8s", unreachable("alice", "bob") }
    expect { finally, relayed("alice", "bob", "apdm-against-apdf") }
    flows("10s", "6s")
    flows("76s", "100ms")

    world(which .. " restarts at once under a relayed pair", "apdm-apdf", homes)
    at "8s"  { connect("alice", "bob") }
    at "10s" { talk("alice", "bob", { every = "50ms", lasts = "100s" }) }
    at "22s" { restart "s1" }
    expect { finally, relayed("alice", "bob", "apdm-against-apdf") }
    flows("10s", "6s")
    flows("28s", "100ms")
end
