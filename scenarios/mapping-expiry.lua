-- NATs that forget a mapping after 30 s without use, and have one for each remote, as Linux does, so that nothing but the
-- pair's own keepalive keeps its path open: it is there after fourteen minutes in which nothing was said, and carries data at
-- once when there is some again. The session has ended long before, so the first packet comes after a handshake: by the
-- path of 25 ms three times.

-- Only one side speaks afterwards: two that speak at once would open both NATs anew.
local function quiet(from, to, kind)
    scenario(("fourteen idle minutes, then %s speaks; NATs forget after 30 s, refreshed by %s"):format(from, kind))
    duration "15m"

    server "s1"    { delay = "5ms" }
    server "s2"    { delay = "5ms" }
    router "left"  { nat = { "linux-masquerade-drop", idle = "30s", two_way_after = "0s", refresh = kind }, delay = "10ms" }
    router "right" { nat = { "linux-masquerade-drop", idle = "30s", two_way_after = "0s", refresh = kind }, delay = "15ms" }
    client "alice" { behind = "left", home = "s1", reserve = "s2" }
    client "bob"   { behind = "right", home = "s2", reserve = "s1" }

    at "8s"   { connect("alice", "bob") }
    at "880s" { send(from, to, { every = "20ms", lasts = "2s" }) }

    expect { within = "1s", after = "8s", direct("alice", "bob") }
    expect { always, after = "9s", direct("alice", "bob") }
    expect { within = "75ms", after = "880s", data(from, to) }
    expect { always, after = "880100ms", data(from, to, { gap = "30ms" }) }
end

for _, kind in ipairs { "both", "outbound" } do
    quiet("alice", "bob", kind)
    quiet("bob", "alice", kind)
end
