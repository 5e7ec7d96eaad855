-- A home's uplink of 10 Mbit/s that four uploads keep full. A queue that drops what comes last grows to a fifth of a
-- second, and every packet of the mesh stands in it; CoDel keeps it short, and FQ-CoDel lets a thin flow pass. Calls are
-- punched and fail over through all of them. TCP and disciplines are ns-3's.
local queues = {
    -- 256 KiB are 210 ms at 10 Mbit/s.
    { name = "drops what comes last", discipline = "drop-tail", direct = "700ms" },
    { name = "is CoDel's", discipline = "codel", direct = "250ms" },
    { name = "is FQ-CoDel's", discipline = "fq-codel", direct = "150ms" },
}

for _, queue in ipairs(queues) do
    scenario(("an uplink is full, and its queue %s"):format(queue.name))
    seeds(2)
    duration "50s"
    server "s1"    { delay = "5ms" }
    server "s2"    { delay = "5ms" }
    router "home"  { nat = "home", delay = "12ms", up = { rate = "10Mbit/s", queue = 262144, discipline = queue.discipline } }
    router "away"  { nat = "port-restricted-cone", delay = "15ms" }
    client "alice" { behind = "home", home = "s1", reserve = "s2" }
    client "carol" { behind = "home", home = "s2", reserve = "s1" }
    client "bob"   { behind = "away", home = "s2", reserve = "s1" }
    at "5s"  { bulk("carol", "s1", { flows = 4, lasts = "35s" }) }
    at "10s" { connect("alice", "bob") }
    at "11s" { talk("alice", "bob", { every = "20ms", lasts = "29s" }) }
    at "15s" { sever("home", "away") }
    at "23s" { mend("home", "away") }
    expect { within = queue.direct, after = "10s", direct("alice", "bob") }
    expect { always, after = "11s", data("alice", "bob", { gap = "1s" }) }
    expect { always, after = "11s", data("bob", "alice", { gap = "1s" }) }
    expect { within = "6s", after = "15s", relayed("alice", "bob") }
    expect { within = "20s", after = "23s", direct("alice", "bob") }
    expect { finally, verdict("alice", "bob", { bounds = false }) }
end
