-- A home whose hosts share one Ethernet: who is on it is found by ARP and neighbour discovery, and its hosts talk to each
-- other without their router, which answers for one that has a cable of its own. Segments are ns-3's.
local families = {
    IPv4 = { home = { nat = "home" }, away = { nat = "port-restricted-cone" }, host = {} },
    IPv6 = { home = { firewall = "stateful", ipv6 = true }, away = { firewall = "stateful", ipv6 = true },
             host = { ipv6 = true, ipv4 = false } },
}

local function with(words, more)
    local all = {}
    for word, value in pairs(words) do all[word] = value end
    for word, value in pairs(more) do all[word] = value end
    return all
end

for family, words in pairs(families) do
    scenario(("%s, three hosts on one Ethernet, one beside it, and one elsewhere"):format(family))
    duration "40s"
    server "s1" (with(words.host, { ipv4 = true, delay = "5ms" }))
    router "home" (with(words.home, { delay = "10ms" }))
    router "away" (with(words.away, { delay = "15ms" }))
    for i = 1, 3 do
        client("h" .. i) (with(words.host, { behind = "home", medium = "csma", rate = "100Mbit/s", delay = "2us" }))
    end
    client "own" (with(words.host, { behind = "home", delay = "50us" }))
    client "far" (with(words.host, { behind = "away" }))
    for _, pair in ipairs { { "h1", "h2" }, { "h2", "h3" }, { "h3", "own" }, { "h1", "far" }, { "far", "h3" } } do
        at "8s" { connect(pair[1], pair[2]) }
        at "9s" { talk(pair[1], pair[2], { every = "20ms", lasts = "20s" }) }
        expect { within = "1s", after = "8s", direct(pair[1], pair[2]) }
        expect { always, after = "9s", data(pair[1], pair[2], { gap = "100ms" }) }
        expect { finally, verdict(pair[1], pair[2], { bounds = false }) }
    end
end
