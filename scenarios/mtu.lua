-- A way out that carries 1320 bytes. Where the router says so, or cuts, everything arrives whole; where what is too big
-- vanishes in silence, calls are punched all the same and stay direct, what fits arrives, and the rest never does: Warren does
-- not search for the size of a way.
local families = {
    -- The router cuts IPv4; a host with IPv6 is told, and cuts by itself.
    IPv4 = { left = { nat = "home" }, right = { nat = "port-restricted-cone" }, host = {} },
    IPv6 = { left = { firewall = "stateful", ipv6 = true }, right = { firewall = "stateful", ipv6 = true },
             host = { ipv6 = true, ipv4 = false } },
}

local function with(words, more)
    local all = {}
    for word, value in pairs(words) do all[word] = value end
    for word, value in pairs(more) do all[word] = value end
    return all
end

local function pair(family, title, hole)
    local words = families[family]
    scenario(("%s, and a way of 1320 bytes: %s"):format(family, title))
    duration "30s"
    server "s1" (with(words.host, { ipv4 = true, delay = "5ms" }))
    server "s2" (with(words.host, { ipv4 = true, delay = "5ms" }))
    router "left" (with(words.left, { up = { delay = "10ms", mtu = 1320, mtu_black_hole = hole }, down = { delay = "10ms" } }))
    router "right" (with(words.right, { delay = "15ms" }))
    client "alice" (with(words.host, { behind = "left", home = "s1", reserve = "s2" }))
    client "bob" (with(words.host, { behind = "right", home = "s2", reserve = "s1" }))
    at "8s" { connect("alice", "bob") }
    expect { within = "1s", after = "8s", direct("alice", "bob") }
    expect { always, after = "10s", direct("alice", "bob") }
end

for family in pairs(families) do
    pair(family, "what is bigger is cut", false)
    at "10s" { send("alice", "bob", { every = "50ms", lasts = "15s", size = 1400 }) }
    expect { always, after = "10s", data("alice", "bob", { gap = "300ms" }) }

    pair(family, "what is bigger vanishes, what fits arrives", true)
    at "10s" { send("alice", "bob", { every = "50ms", lasts = "15s", size = 1200 }) }
    expect { always, after = "10s", data("alice", "bob", { gap = "300ms" }) }

    pair(family, "what is bigger vanishes", true)
    at "10s" { send("alice", "bob", { every = "50ms", lasts = "15s", size = 1400 }) }
    expect { never, after = "10s", data("alice", "bob") }
end
