-- Two clients behind one NAT that turns nothing back: all that they have is each other's private address, to which each may
-- send two datagrams that nobody asked for. On a slow LAN both tell before either is heard, and each must have one left to
-- answer with.
for _, delay in ipairs { "100us", "1ms", "3ms", "8ms", "20ms", "60ms" } do
    scenario(("two behind one NAT, %s away from their router"):format(delay))
    duration "40s"
    server "s1" { delay = "5ms" }
    server "s2" { delay = "5ms" }
    router "home" { nat = { "home", hairpin = "off" }, delay = "10ms" }
    client "alice" { behind = "home", home = "s1", reserve = "s2", delay = delay }
    client "bob" { behind = "home", home = "s2", reserve = "s1", delay = delay }
    at "8s" { connect("alice", "bob") }
    expect { within = "1s", after = "8s", direct("alice", "bob") }
    expect { finally, verdict("alice", "bob") }
end
