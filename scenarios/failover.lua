-- The way between two routers goes dead while everybody reaches the servers: what the pair says goes on through the relay
-- within a second, the pair says so once the way has been silent for five seconds, and it is direct again when the way
-- is back and the pair has called again. A pair that says nothing finds out with its keepalive.

local function pair(title)
    scenario(title)
    duration "90s"
    server "s1"    { delay = "5ms" }
    server "s2"    { delay = "5ms" }
    router "left"  { nat = "home", delay = "10ms" }
    router "right" { nat = "port-restricted-cone", delay = "15ms" }
    client "alice" { behind = "left", home = "s1", reserve = "s2" }
    client "bob"   { behind = "right", home = "s2", reserve = "s1" }
    at "8s" { connect("alice", "bob") }
    expect { within = "1s", after = "8s", direct("alice", "bob") }
end

pair "the way of a talking pair is gone, and comes back"
at "10s" { talk("alice", "bob", { every = "20ms", lasts = "70s" }) }
at "20s" { sever("left", "right") }
at "40s" { mend("left", "right") }
expect { always, after = "10s", data("alice", "bob", { gap = "1s" }) }
expect { always, after = "10s", data("bob", "alice", { gap = "1s" }) }
expect { never, after = "20s", unreachable("alice", "bob") }
expect { within = "6s", after = "20s", relayed("alice", "bob") }
expect { within = "20s", after = "40s", direct("alice", "bob") }
expect { always, after = "60s", direct("alice", "bob") }

pair "it is gone for two seconds only: the pair stays direct"
at "10s" { talk("alice", "bob", { every = "20ms", lasts = "20s" }) }
at "20s" { sever("left", "right") }
at "22s" { mend("left", "right") }
expect { always, after = "10s", data("alice", "bob", { gap = "1s" }) }
expect { always, after = "10s", data("bob", "alice", { gap = "1s" }) }
expect { always, after = "24s", direct("alice", "bob") }

pair "the way of a silent pair is gone, and comes back"
at "10s" { sever("left", "right") }
at "45s" { talk("alice", "bob", { every = "20ms", lasts = "1s" }) }
at "50s" { mend("left", "right") }
expect { within = "25s", after = "10s", relayed("alice", "bob") }
expect { within = "100ms", after = "45s", data("alice", "bob") }
expect { within = "100ms", after = "45s", data("bob", "alice") }
expect { within = "40s", after = "50s", direct("alice", "bob") }
