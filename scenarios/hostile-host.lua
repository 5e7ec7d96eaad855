-- A hostile host without a credential, on the internet or behind a client's NAT: it sends again what has arrived
-- anywhere, from the address that it came from or from its own, and floods all nodes with junk, from its own address and
-- from those of others. Clients that talk while it does, and that begin anew under it, notice nothing.

-- Each node gets five hundred a second.
local function flood_all(from, lasts)
    for _, node in ipairs { "s1", "s2", "alice", "bob" } do
        at(from) {
            flood("mallory", node, { every = "4ms", lasts = lasts }),
            spoof("mallory", node, { every = "4ms", lasts = lasts }),
        }
    end
end

local function replay_all(from, lasts)
    at(from) { replay("mallory", { every = "1ms", lasts = lasts }) }
end

local function both(from, lasts)
    replay_all(from, lasts)
    flood_all(from, lasts)
end

local function world(title, nat, behind)
    scenario(title)
    duration "25s"
    server "s1"    { delay = "5ms" }
    server "s2"    { delay = "5ms" }
    router "left"  { nat = nat, delay = "10ms" }
    router "right" { nat = nat, delay = "15ms" }
    client "alice" { behind = "left", delay = "1ms", home = "s1", reserve = "s2" }
    client "bob"   { behind = "right", delay = "1ms", home = "s2", reserve = "s1" }
    hostile "mallory" { behind = behind, delay = "3ms" }
end

-- Data flows as if nobody were there who has been busy all the time.
local function unharmed(after)
    expect { finally, sends("mallory", { at_least = 15000 }) }
    expect { always, after = after, data("alice", "bob", { gap = "100ms" }) }
    expect { always, after = after, data("bob", "alice", { gap = "100ms" }) }
end

-- What a server answers an address without proof is counted by the address alone, without the port. Whoever shares it, or
-- can write it as a source, can use that up for those who come new; so it begins when both clients have a home.
for _, behind in ipairs { "internet", "left" } do
    for _, nat in ipairs { "home", "symmetric" } do
        local where = (behind == "internet" and "on the internet" or "behind the same NAT") .. ", NATs " .. nat
        for name, attack in pairs { ["replays everything"] = replay_all, ["floods all"] = flood_all } do
            world(("two clients talk while a host %s %s"):format(name, where), nat, behind)
            attack("4s", "20s")
            at "8s"  { connect("alice", "bob") }
            at "10s" { talk("alice", "bob", { every = "20ms", lasts = "10s" }) }
            expect { within = "200ms", after = "8s", data("alice", "bob") }
            expect { finally, verdict("alice", "bob") }
            unharmed("10s")
        end

        world("a client loses its disk while a host replays everything and floods all " .. where, nat, behind)
        both("4s", "20s")
        at "8s"  { connect("alice", "bob") }
        at "9s"  { talk("alice", "bob", { every = "20ms", lasts = "15s" }) }
        at "12s" { restart "alice" }
        at "13s" { connect("alice", "bob") }
        expect { within = "200ms", after = "13s", data("alice", "bob") }
        expect { finally, verdict("alice", "bob", { bounds = false }) }
        unharmed("14s")
    end
end
