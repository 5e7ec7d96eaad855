-- A client finds out what it is behind: exactly when nothing is lost, and in 98 of 100 runs when 10 % of the packets are.
-- What there is to find out, the oracle says.

-- `routers` is a list of tables of router words, from the internet inwards; the client is behind the last one. `real` is why
-- a process may find something else.
local function finds(what, routers, host, real)
    for _, lossy in ipairs { false, true } do
        scenario("a client behind " .. what .. " finds that out")
        seeds(lossy and 50 or 1)
        if real then differs("tun", real) end
        local ipv6 = host and host.ipv6
        server "s1" { delay = "20ms", ipv6 = ipv6 }
        local behind
        for i, words in ipairs(routers) do
            local fields = { delay = "10ms", behind = behind, ipv6 = ipv6 }
            for word, value in pairs(words) do fields[word] = value end
            behind = "r" .. i
            router(behind)(fields)
        end
        client "alice" { behind = behind, delay = "1ms", loss = lossy and "10%" or "0%", ipv6 = ipv6,
                         ipv4 = not ipv6 or nil }
        at "1s" { classify("alice") }
        expect { finally, share = lossy and "98%" or "100%", classified("alice") }
    end
end

finds("nothing at all", {})

for _, name in ipairs { "none", "one-to-one", "ec2-one-to-one", "full-cone", "restricted-cone", "port-restricted-cone",
                        "symmetric", "home", "carrier-grade", "carrier-grade-strict", "mobile-symmetric",
                        "linux-masquerade", "linux-masquerade-drop", "linux-random", "sequential-symmetric",
                        "pf-symmetric", "changes-under-collision", "outbound-refresh" } do
    finds("a NAT of kind " .. name, { { nat = name } })
end

-- The nine classes of RFC 4787, with permissions for each mapping alone and for all of an endpoint.
for _, mapping in ipairs { "EIM", "ADM", "APDM" } do
    for _, filtering in ipairs { "EIF", "ADF", "APDF" } do
        for _, scope in ipairs { "mapping", "endpoint" } do
            local preset = (mapping .. "-" .. filtering):lower()
            finds(("an %s %s NAT that permits by %s"):format(mapping, filtering, scope),
                  { { nat = { preset, scope = scope } } })
        end
    end
end

-- How ports are given out.
for _, ports in ipairs { "preserved", "overloaded", "sequential", "random", "block" } do
    finds("a NAT with " .. ports .. " ports", { { nat = { "eim-apdf", ports = ports } } })
end
for _, step in ipairs { 2, 7 } do
    finds("a NAT whose ports are " .. step .. " apart",
          { { nat = { "eim-apdf", ports = "sequential", step = step, parity = false } } })
end
finds("a symmetric NAT with sequential ports", { { nat = { "apdm-apdf", ports = "sequential", parity = false } } })

-- Several external addresses.
for _, pooling in ipairs { "paired", "soft", "arbitrary" } do
    finds("a pool of four addresses, " .. pooling, { { nat = { "eim-apdf", pool = 4, pooling = pooling } } })
end

-- Packets from inside to the NAT's own address.
for _, filtering in ipairs { "EIF", "APDF" } do
    for _, hairpin in ipairs { "off", "internal", "external" } do
        finds(("an %s NAT with hairpin %s"):format(filtering, hairpin),
              { { nat = { ("eim-" .. filtering):lower(), hairpin = hairpin } } }, nil,
              hairpin == "internal" and "Linux takes no packet that comes from its own address" or nil)
    end
end

-- One behind another, the outer one first.
finds("a home router at a carrier", { { nat = "carrier-grade", inside = "carrier" }, { nat = "home" } })
finds("a home router behind a home router", { { nat = "home" }, { nat = "home" } })
finds("a home router behind a symmetric NAT", { { nat = "symmetric" }, { nat = "home" } })
finds("a symmetric NAT behind an open one", { { nat = "full-cone" }, { nat = "symmetric" } })
finds("an open NAT behind an open one", { { nat = "full-cone" }, { nat = "full-cone" } })
finds("three home routers", { { nat = "home" }, { nat = "home" }, { nat = "home" } })

-- Filters that translate nothing.
finds("a stateful firewall", { { firewall = "stateful" } })
finds("an open NAT behind a stateful firewall", { { firewall = "stateful" }, { nat = "full-cone" } })
finds("a firewall that blocks UDP", { { firewall = "udp-blocked" } })
finds("a home router that blocks UDP", { { nat = "home", firewall = "udp-blocked" } })

-- IPv6: routed, filtered, translated.
finds("a router that routes IPv6", { {} }, { ipv6 = true })
finds("a firewall for IPv6", { { firewall = "stateful" } }, { ipv6 = true })
finds("a NAT for IPv6", { { nat = "home", nat_v6 = true } }, { ipv6 = true })
