-- Every NAT against every NAT: who goes direct with whom, who is relayed, who cannot be reached, and why. The oracle
-- says what each cell has to be, and when; two datagrams each way afterwards show that the relay is really left alone.

-- One-way delays in microseconds: a client to its home, the other to its home, and between the two.
local delays = { { 20000, 30000, 35000 }, { 50000, 50000, 10000 }, { 10000, 80000, 75000 }, { 5000, 5000, 2000 } }

-- What a client may be behind: routers' words from the internet inwards. `class` sides have session models and scopes.
local sides = {
    { name = "none", routers = {} },
    { name = "one-to-one", routers = { { nat = "one-to-one" } } },
}
for _, mapping in ipairs { "EIM", "ADM", "APDM" } do
    for _, filtering in ipairs { "EIF", "ADF", "APDF" } do
        local name = mapping .. "-" .. filtering
        table.insert(sides, { name = name, class = true, routers = { { nat = { name:lower() } } } })
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

-- A copy of a router's words with more of them; a NAT's parameters are a table of their own.
local function with(words, more, parameters)
    local copy = {}
    for word, value in pairs(words) do copy[word] = value end
    for word, value in pairs(more) do copy[word] = value end
    if parameters then
        local nat = {}
        for word, value in pairs(words.nat) do nat[word] = value end
        for word, value in pairs(parameters) do nat[word] = value end
        copy.nat = nat
    end
    return copy
end

local function us(value) return value .. "us" end

-- Routers r1, r2 ... with a letter before them, from `behind` inwards; the first link takes `delay`. Returns the last one.
local function routers(letter, list, behind, delay, parameters)
    for i, words in ipairs(list) do
        local name = letter .. i
        router(name)(with(words, { behind = behind, delay = i == 1 and us(delay) or nil }, parameters))
        behind = name
    end
    return behind
end

-- By 8s every discovery has ended, so that reasons are known at once.
local function call(common)
    client "a" { behind = common.a, home = "s1", delay = common.a_delay }
    client "b" { behind = common.b, home = common.home, delay = common.b_delay }
    at "8s" { connect("a", "b") }
    at "9500ms" { talk("a", "b", { every = "20ms", count = 2 }) }
    expect { finally, verdict("a", "b") }
end

-- Two servers as far away as the triple asks for; the rest of the way to each client.
local function begin(title, row, column, triple, homes)
    local a, b, d = table.unpack(delays[triple])
    local server_delay = (a + b - d) // 2
    scenario(("%s, %s, delays %d/%d/%d ms"):format(title, homes == 1 and "one home" or "two homes", a // 1000, b // 1000,
                                                 d // 1000))
    cell(row, column)
    duration "25s"
    server "s1" { delay = us(server_delay) }
    server "s2" { delay = us(server_delay) }
    return a - server_delay, b - server_delay
end

local count = 0

local function against(a, b, session, scope, homes)
    local title = a.name .. " calls " .. b.name
    if session then title = ("%s, session %s, scope %s"):format(title, session, scope) end
    count = count + 1
    local a_delay, b_delay = begin(title, a.name, b.name, count % #delays + 1, homes)
    local parameters = session and { session = session, scope = scope }
    call { a = routers("a", a.routers, nil, a_delay, a.class and parameters),
           b = routers("b", b.routers, nil, b_delay, b.class and parameters),
           a_delay = #a.routers == 0 and us(a_delay) or nil, b_delay = #b.routers == 0 and us(b_delay) or nil,
           home = homes == 1 and "s1" or "s2" }
end

for _, a in ipairs(sides) do
    for _, b in ipairs(sides) do
        for homes = 1, 2 do
            if a.class or b.class then
                for _, session in ipairs { "nothing", "first", "pin" } do
                    for _, scope in ipairs { "mapping", "endpoint" } do against(a, b, session, scope, homes) end
                end
            else
                against(a, b, nil, nil, homes)
                against(a, b, nil, nil, homes)
            end
        end
        count = count + 1 -- so that every cell meets every delay in some variant
    end
end

-- Two hosts in front of which one NAT stands, each behind a router of its own at home; and both on its LAN.
for _, side in ipairs(sides) do
    if side.class then
        local name = "one " .. side.name
        for homes = 1, 2 do
            local home = homes == 1 and "s1" or "s2"
            for _, hairpin in ipairs { "off", "internal", "external" } do
                count = count + 1
                local delay = begin(name .. ", hairpin " .. hairpin, name, "hairpin " .. hairpin, count % #delays + 1, homes)
                local one = routers("one", side.routers, nil, delay, { hairpin = hairpin })
                call { a = routers("a", { { nat = "home" } }, one, 1000), b = routers("b", { { nat = "home" } }, one, 2000),
                       home = home }
            end
            count = count + 1
            local delay = begin(name .. ", one LAN", name, "one LAN", count % #delays + 1, homes)
            local one = routers("one", side.routers, nil, delay)
            call { a = one, b = one, a_delay = "1ms", b_delay = "2ms", home = home }
        end
    end
end
