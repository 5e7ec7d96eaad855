-- Pairs for which it matters whose packet comes first, behind more than one router and after a change of network. matrix.lua
-- has those with one NAT each. The clients' discoveries say who has to wait, and all of them go direct.

-- From the internet inwards. A masquerade without an inbound drop has the trap: what comes for a mapping before it has sent
-- spoils it. In the carrier's NAT here the first packet between two endpoints makes their session.
local function carrier(mapping)
    return { nat = { mapping, session = "first", scope = "endpoint" }, inside = "carrier" }
end
local masquerade = { nat = "linux-masquerade", inside = "carrier" }
local sides = {
    { name = "linux", trap = "near", { nat = "linux-masquerade" } },
    { name = "home in linux", trap = "far", masquerade, { nat = "home" } },
    { name = "firewall in linux", trap = "far", masquerade, { firewall = "stateful" } },
    { name = "home in a carrier's", carrier "adm-eif", { nat = "home" } },
    { name = "firewall in a carrier's", carrier "apdm-eif", { firewall = "stateful" } },
    { name = "linux in a carrier's", trap = "hidden", carrier "apdm-eif", { nat = "linux-masquerade" } },
}
local others = {
    { name = "linux", trap = "near", { nat = "linux-masquerade" } },
    { name = "home in linux", trap = "far", masquerade, { nat = "home" } },
    { name = "home", { nat = "port-restricted-cone" } },
    { name = "firewall", { firewall = "stateful" } },
}

-- Milliseconds between each client's outermost router and the internet, and between the internet and each home.
local delays = { { 3, 60, 5, 5 }, { 60, 3, 5, 5 }, { 2, 2, 90, 2 } }

local function routers(letter, side, delay)
    local inner
    for i, words in ipairs(side) do
        local more = { behind = inner, delay = i == 1 and delay .. "ms" or nil }
        for word, value in pairs(words) do more[word] = value end
        inner = letter .. i
        router(inner)(more)
    end
    return inner
end

-- What opens only the first router leaves a trap in the second to the clock: both sides' probes have to be on their way at
-- the same time. So has the one's to be where nobody knows of the other's trap.
local function needs_clock(a, b)
    return a.trap == "hidden" or (a.trap and b.trap and (a.trap == "far" or b.trap == "far"))
end

for _, a in ipairs(sides) do
    for _, b in ipairs(others) do
        for _, d in ipairs(delays) do
            scenario(("%s calls %s, %d and %d ms, homes at %d and %d ms"):format(a.name, b.name, table.unpack(d)))
            cell(a.name, b.name)
            duration "30s"
            for _, network in ipairs(needs_clock(a, b) and { "tun", "linux" } or {}) do
                differs(network, "which of two probes comes first is a matter of a few milliseconds there")
            end
            server "s1" { delay = d[3] .. "ms" }
            server "s2" { delay = d[4] .. "ms" }
            local near, far = routers("a", a, d[1]), routers("b", b, d[2])
            client "alice" { behind = near, home = "s1" }
            client "bob" { behind = far, home = "s2" }
            at "12s" { connect("alice", "bob") }
            at "14s" { talk("alice", "bob", { every = "20ms", count = 2 }) }
            expect { finally, verdict("alice", "bob") }
        end
    end
end

-- What was found in the network before says nothing of the one where alice is now: whoever would have to be reached first
-- there has to speak first here, and what bore bob's trap does so no more.
for _, move in ipairs {
    { from = carrier "adm-eif", to = { nat = "port-restricted-cone" }, bob = { nat = "port-restricted-cone" } },
    { from = { nat = "full-cone" }, to = { nat = "port-restricted-cone" }, bob = { nat = "linux-masquerade" } },
    { from = { nat = "port-restricted-cone" }, to = { nat = "full-cone" }, bob = { nat = "linux-masquerade" } },
} do
    local function name(words) return type(words.nat) == "table" and "a carrier's" or words.nat end
    for _, talking in ipairs { true, false } do
        scenario(("from %s to %s, bob behind %s, %s"):format(name(move.from), name(move.to), name(move.bob),
                                                           talking and "talking" or "calling then"))
        duration "50s"
        server "s1" { delay = "5ms" }
        router "before" { nat = move.from.nat, inside = "carrier", delay = "10ms" }
        router "after" { nat = move.to.nat, delay = "12ms" }
        router "far" { nat = move.bob.nat, delay = "17ms" }
        client "alice" { behind = { "before", "after" }, home = "s1" }
        client "bob" { behind = "far", home = "s1" }
        if talking then
            at "12s" { connect("alice", "bob") }
            at "13s" { talk("alice", "bob", { every = "100ms", lasts = "35s" }) }
            at "20s" { unplug "alice" }
        else
            at "20s" { unplug "alice" }
            at "20500ms" { connect("alice", "bob") }
            at "40s" { talk("alice", "bob", { every = "100ms", lasts = "8s" }) }
        end
        expect { within = "5s", after = "21s", direct("alice", "bob") }
        expect { always, after = "30s", direct("alice", "bob") }
    end
end
