-- A NAT that forgets every mapping 50 s after it was made, however busy it is: a pair that talks loses its way every 50 s.
-- The data that is on its way then goes on through the relay while another way is found.

local function forgetful(side, ports)
    scenario(("the NAT on the %s forgets mappings after 50 s of use, ports %s"):format(side, ports))
    duration "250s"

    local forgets = { "home", ports = ports, lifetime = "50s" }
    server "s1"    { delay = "5ms" }
    server "s2"    { delay = "5ms" }
    router "left"  { nat = side ~= "right" and forgets or "home", delay = "10ms" }
    router "right" { nat = side ~= "left" and forgets or "home", delay = "15ms" }
    client "alice" { behind = "left", home = "s1", reserve = "s2" }
    client "bob"   { behind = "right", home = "s2", reserve = "s1" }

    at "8s"  { connect("alice", "bob") }
    at "10s" { talk("alice", "bob", { every = "50ms", lasts = "230s" }) }

    expect { within = "1s", after = "8s", direct("alice", "bob") }
    expect { always, after = "10s", data("alice", "bob", { gap = "1s" }) }
    expect { always, after = "10s", data("bob", "alice", { gap = "1s" }) }
    expect { finally, direct("alice", "bob") }
end

for _, ports in ipairs { "preserved", "random" } do
    for _, side in ipairs { "left", "right", "left and the right" } do forgetful(side, ports) end
end
