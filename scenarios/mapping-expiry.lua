-- NATs that forget a mapping after 30 s without use: the path of a pair that says nothing for ten minutes is kept open by
-- its keepalive, and carries data at once when there is some again.

for _, kind in ipairs { "both", "outbound" } do
    scenario(("ten idle minutes behind NATs that forget after 30 s, refreshed by %s"):format(kind))
    duration "11m"

    server "s1"    { delay = "5ms" }
    server "s2"    { delay = "5ms" }
    router "left"  { nat = { "port-restricted-cone", idle = "30s", refresh = kind }, delay = "10ms" }
    router "right" { nat = { "port-restricted-cone", idle = "30s", refresh = kind }, delay = "15ms" }
    client "alice" { behind = "left", home = "s1", reserve = "s2" }
    client "bob"   { behind = "right", home = "s2", reserve = "s1" }

    at "8s"   { connect("alice", "bob") }
    at "615s" { talk("alice", "bob", { every = "20ms", lasts = "2s" }) }

    expect { within = "1s", after = "8s", direct("alice", "bob") }
    expect { always, after = "9s", direct("alice", "bob") }
    expect { within = "30ms", after = "615s", data("alice", "bob") }
    expect { within = "30ms", after = "615s", data("bob", "alice") }
    expect { always, after = "615s", data("alice", "bob", { gap = "100ms" }) }
    expect { always, after = "615s", data("bob", "alice", { gap = "100ms" }) }
end
