-- Hostile members, with valid credentials: they register a victim's address as their own and call everybody, register and
-- call from its address, and probe whom they call from its address. Whatever they do together, and however many they are,
-- the honest nodes send the victim no more than docs/protocol.md says ("What a victim may get"): five datagrams from a
-- server and two clients. Two clients that talk meanwhile notice nothing.

local lies = {
    ["claims to be at the address of"] = function(mallory, victim)
        return { claim(mallory, victim, { every = "1s", lasts = "60s" }) }
    end,
    ["binds with the source of"] = function(mallory, victim)
        return { bind(mallory, victim, { every = "1s", lasts = "60s" }) }
    end,
    ["probes with the source of"] = function(mallory, victim)
        return { probe(mallory, victim, { every = "1s", lasts = "60s" }) }
    end,
    ["does all that to"] = function(mallory, victim)
        return {
            claim(mallory, victim, { every = "3s", lasts = "60s" }),
            bind(mallory, victim, { every = "5s", lasts = "60s" }),
            probe(mallory, victim, { every = "1s", lasts = "60s" }),
        }
    end,
}

-- `where` is where all of them are but the servers.
local function world(title, members, where, servers)
    scenario(title)
    duration "70s"
    for i = 1, servers do server("s" .. i) { delay = "5ms" } end
    router "nat"   { nat = "home", delay = "10ms" }
    client "alice" { behind = where, delay = "1ms", home = "s1" }
    client "bob"   { behind = where, delay = "2ms", home = "s" .. servers }
    bystander "victim" { behind = where, delay = "1ms" }
    for i = 1, members do
        hostile("mallory" .. i) { behind = where, delay = "3ms", member = true, home = "s" .. i % servers + 1 }
    end
end

-- The victim is a bystander, or one of those who talk.
local function story(name, lie, where, members, victim, servers, most)
    local who = members == 1 and "a hostile member" or ("each of %d hostile members"):format(members)
    local whom = victim == "victim" and "bystander" or "client"
    local place = where == "nat" and "behind one NAT" or "on the internet"
    world(("%s %s a %s, all of them %s%s"):format(who, name, whom, place, servers > 1 and ", two servers" or ""),
        members, where, servers)
    for i = 1, members do
        at(("%dms"):format(4000 + 90 * i))(lie("mallory" .. i, victim))
    end
    at "8s"  { connect("alice", "bob") }
    at "10s" { talk("alice", "bob", { every = "50ms", lasts = "55s" }) }

    expect { always, receives("victim", { at_most = most }) }
    expect { within = "200ms", after = "8s", data("alice", "bob") }
    expect { finally, verdict("alice", "bob", { bounds = false }) }
    expect { always, after = "10s", data("alice", "bob", { gap = "100ms" }) }
    expect { always, after = "10s", data("bob", "alice", { gap = "100ms" }) }
    -- They were let in, and busy until the end.
    for i = 1, members do
        expect { within = "10s", after = "50s", sends("mallory" .. i, { at_least = 9 }) }
        expect { within = "10s", after = "50s", receives("mallory" .. i, { at_least = 9 }) }
    end
end

-- From a server 3, and 1 from each of the two clients. Behind one NAT it is 2 from each client; and what seems to come from
-- the victim comes from the hostile members' own public address there, to which a server sends 5.
local behind_nat = {
    ["claims to be at the address of"] = 4,
    ["binds with the source of"] = 5,
    ["probes with the source of"] = 4,
    ["does all that to"] = 9,
}

for name, lie in pairs(lies) do
    story(name, lie, "internet", 1, "victim", 1, 5)
    story(name, lie, "internet", 6, "victim", 1, 5)
    story(name, lie, "internet", 6, "victim", 2, 8)
    story(name, lie, "internet", 6, "alice", 1, 0)
    story(name, lie, "nat", 1, "victim", 1, behind_nat[name])
    story(name, lie, "nat", 6, "victim", 1, behind_nat[name])
    story(name, lie, "nat", 6, "alice", 1, 0)
end
