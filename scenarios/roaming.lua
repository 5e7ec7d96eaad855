-- A laptop leaves its network for another one, and comes back: its datagrams find their way again within two seconds each
-- time, and the pair is direct again within five. The peer learns of the new address from the laptop's home.

for _, nat in ipairs { "home", "port-restricted-cone" } do
    scenario(("a laptop goes from home to the mobile network and back, behind %s"):format(nat))
    duration "60s"

    server "s1"    { delay = "5ms" }
    server "s2"    { delay = "5ms" }
    router "home"  { nat = nat, delay = "10ms" }
    router "cgn"   { nat = "carrier-grade", inside = "carrier", delay = "30ms" }
    router "far"   { nat = nat, delay = "15ms" }
    client "alice" { behind = { "home", "cgn" }, home = "s1", reserve = "s2" }
    client "bob"   { behind = "far", home = "s2", reserve = "s1" }

    at "8s"  { connect("alice", "bob") }
    at "9s"  { talk("alice", "bob", { every = "20ms", lasts = "45s" }) }
    at "15s" { unplug "alice" }
    at "35s" { plug "alice" }

    expect { within = "1s", after = "8s", direct("alice", "bob") }
    expect { always, after = "9s", data("alice", "bob", { gap = "1s" }) }
    expect { always, after = "9s", data("bob", "alice", { gap = "1s" }) }
    expect { always, after = "20s", direct("alice", "bob") }
end
