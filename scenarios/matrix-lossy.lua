-- A thinned matrix whose clients lose a tenth of their packets, each way: the sixteen sides of matrix.lua against each other,
-- one calling the other, at one home, with sessions of the kind "nothing" and permissions by mapping, over a hundred seeds.
-- What a pair comes to is what the oracle says; where the order of packets decides, it is what the NATs saw. Loss costs time,
-- so there is no bound; how much it cost is printed below.

local delays = { { 20000, 30000, 35000 }, { 50000, 50000, 10000 }, { 10000, 80000, 75000 }, { 5000, 5000, 2000 } }

local sides = {
    { name = "none", routers = {} },
    { name = "one-to-one", routers = { { nat = "one-to-one" } } },
}
for _, mapping in ipairs { "EIM", "ADM", "APDM" } do
    for _, filtering in ipairs { "EIF", "ADF", "APDF" } do
        local name = mapping .. "-" .. filtering
        table.insert(sides, { name = name, routers = { { nat = { name:lower(), session = "nothing", scope = "mapping" } } } })
    end
end
for _, side in ipairs {
    { name = "carrier over home", routers = { { nat = "carrier-grade", inside = "carrier" }, { nat = "home" } } },
    { name = "linux", routers = { { nat = "linux-masquerade" } } },
    { name = "linux, drops", routers = { { nat = "linux-masquerade-drop" } } },
    { name = "firewall", routers = { { firewall = "stateful" } } },
    { name = "udp-blocked", routers = { { firewall = "udp-blocked" } } },
} do
    table.insert(sides, side)
end

local function behind(letter, side, delay)
    local last
    for i, words in ipairs(side.routers) do
        local name, copy = letter .. i, { behind = last, delay = i == 1 and delay or nil }
        for word, value in pairs(words) do copy[word] = value end
        router(name)(copy)
        last = name
    end
    return last, #side.routers == 0 and delay or nil
end

for i, a in ipairs(sides) do
    for k, b in ipairs(sides) do
        -- Of two sides one calls the other; who does, alternates.
        if (k > i and (i + k) % 2 == 0) or (k < i and (i + k) % 2 == 1) or k == i then
            local to_a, to_b, between = table.unpack(delays[(i + k) % #delays + 1])
            local to_server = (to_a + to_b - between) // 2
            scenario(("%s calls %s, with loss"):format(a.name, b.name))
            cell(a.name, b.name)
            seeds(100)
            duration "70s"
            server "s1" { delay = to_server .. "us" }
            local a_behind, a_delay = behind("a", a, (to_a - to_server) .. "us")
            local b_behind, b_delay = behind("b", b, (to_b - to_server) .. "us")
            client "a" { behind = a_behind, delay = a_delay, loss = "10%" }
            client "b" { behind = b_behind, delay = b_delay, loss = "10%" }
            at "15s" { connect("a", "b") }
            -- One attempt in a thousand loses every probe that could have met; the caller tries again after 10 s, and 20 s.
            at "55s" { talk("a", "b", { every = "20ms", count = 2 }) }
            expect { finally, verdict("a", "b") }
        end
    end
end
