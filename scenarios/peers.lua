-- Warren and other meshes behind the same NATs: each pair of these sides ("carrier" is a carrier's NAT over one at home),
-- and each mesh in turn. A cell of the grid says how the two reach each other in the end, and how long that took; only
-- Warren is held to what the oracle says. The other meshes are programs with their own clocks: not for the simulator.

local meshes = { "warren", "nebula", "nebula-relay", "n2n", "tinc", "wireguard" }

local sides = {
    { name = "none", routers = {} },
    { name = "one-to-one", routers = { { nat = "one-to-one" } } },
    { name = "full cone", routers = { { nat = "eim-eif" } } },
    { name = "EIM-ADF", routers = { { nat = "eim-adf" } } },
    { name = "EIM-APDF", routers = { { nat = "eim-apdf" } } },
    { name = "linux", routers = { { nat = "linux-masquerade" } } },
    { name = "linux, drops", routers = { { nat = "linux-masquerade-drop" } } },
    { name = "symmetric", routers = { { nat = "apdm-apdf" } } },
    { name = "carrier", routers = { { nat = "carrier-grade", inside = "carrier" }, { nat = "home" } } },
    { name = "udp-blocked", routers = { { firewall = "udp-blocked" } } },
}

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

local function against(a, b, mesh)
    scenario(("%s: %s calls %s"):format(mesh, a.name, b.name))
    program(mesh)
    cell(a.name, b.name)
    duration "28s"
    server "s1" { delay = "5ms" }
    local behind_a, behind_b = behind("a", a), behind("b", b)
    client "a" { behind = behind_a, delay = not behind_a and "10ms" or nil }
    client "b" { behind = behind_b, delay = not behind_b and "10ms" or nil }
    -- By then every program has found its server, and whatever it wants to know of its NAT.
    at "8s" { connect("a", "b") }
    if mesh ~= "warren" then return end
    -- The others' probe sends by itself.
    at "8s" { talk("a", "b", { every = "100ms", lasts = "6s" }) }
    expect { finally, verdict("a", "b", { bounds = false }) }
end

for i, a in ipairs(sides) do
    for k = i, #sides do
        for _, mesh in ipairs(meshes) do against(a, sides[k], mesh) end
    end
end
