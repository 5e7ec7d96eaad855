-- The matrix for networks that take their time: each unordered pair of the nine classes of RFC 4787, and every other side
-- of matrix.lua against itself, against the commonest home router and against the worst carrier's NAT, so that everything
-- stands once on each side. One home, delays that are alike, every NAT's own session model and scope.

local classes, others = {}, {
    { name = "none", routers = {} },
    { name = "one-to-one", routers = { { nat = "one-to-one" } } },
    { name = "carrier over home", routers = { { nat = "carrier-grade", inside = "carrier" }, { nat = "home" } } },
    { name = "linux", routers = { { nat = "linux-masquerade" } } },
    { name = "linux, drops", routers = { { nat = "linux-masquerade-drop" } } },
    { name = "linux, random", routers = { { nat = "linux-random" } } },
    { name = "firewall", routers = { { firewall = "stateful" } } },
    { name = "udp-blocked", routers = { { firewall = "udp-blocked" } } },
}
for _, mapping in ipairs { "EIM", "ADM", "APDM" } do
    for _, filtering in ipairs { "EIF", "ADF", "APDF" } do
        local name = mapping .. "-" .. filtering
        table.insert(classes, { name = name, routers = { { nat = name:lower() } } })
    end
end

-- Routers with a letter before their numbers, from the internet inwards; the name of the last one.
local function behind(letter, side)
    local last
    for i, words in ipairs(side.routers) do
        local copy = { behind = last, delay = i == 1 and "10ms" or nil }
        for word, value in pairs(words) do copy[word] = value end
        last = letter .. i
        router(last)(copy)
    end
    return last
end

local function against(a, b)
    scenario(a.name .. " calls " .. b.name)
    cell(a.name, b.name)
    duration "25s"
    server "s1" { delay = "5ms" }
    server "s2" { delay = "5ms" }
    local behind_a, behind_b = behind("a", a), behind("b", b)
    client "a" { behind = behind_a, delay = not behind_a and "10ms" or nil, home = "s1", reserve = "s2" }
    client "b" { behind = behind_b, delay = not behind_b and "10ms" or nil, home = "s1", reserve = "s2" }
    -- By 8s every discovery has ended, so that reasons are known at once.
    at "8s" { connect("a", "b") }
    at "9500ms" { talk("a", "b", { every = "20ms", count = 5 }) }
    expect { finally, verdict("a", "b") }
end

for i, a in ipairs(classes) do
    for k = i, #classes do against(a, classes[k]) end
end
for i, side in ipairs(others) do
    against(side, side)
    against(side, classes[3])
    against(classes[9], side)
    against(side, others[i % #others + 1])
end
