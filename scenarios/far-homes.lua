-- Two clients at homes that are 50 ms apart: the first datagram takes the way to the caller's home, from there to the
-- other one, and on to the callee, and not a nanosecond longer. The first packet comes after a handshake, whose two
-- messages go that way too, unless a direct path is there sooner; it comes when the oracle says.

for _, right in ipairs { "home", "carrier-grade", "symmetric" } do
    for _, caller in ipairs { "alice", "bob" } do
        local callee = caller == "alice" and "bob" or "alice"
        scenario(("%s calls across two homes 50 ms apart, one behind home, one behind %s"):format(caller, right))
        duration "20s"

        server "s1"    { delay = "25ms" }
        server "s2"    { delay = "25ms" }
        router "left"  { nat = "home", delay = "7ms" }
        router "right" { nat = right, delay = "12ms" }
        client "alice" { behind = "left", home = "s1", reserve = "s2" }
        client "bob"   { behind = "right", home = "s2", reserve = "s1" }

        at "8s" { connect(caller, callee) }

        expect { within = "357ms", after = "8s", data(caller, callee) }
        expect { finally, verdict(caller, callee) }
    end
end
