-- One way takes much longer than the other, on the links of clients and servers: the round trip says nothing of when the other
-- side hears, and the paths come about all the same.
local ways = {
    ["slow towards a"] = { a = { up = { delay = "5ms" }, down = { delay = "200ms" } } },
    ["slow away from a"] = { a = { up = { delay = "200ms" }, down = { delay = "5ms" } } },
    ["slow towards both"] = { a = { up = { delay = "5ms" }, down = { delay = "150ms" } },
                              b = { up = { delay = "5ms" }, down = { delay = "150ms" } } },
    ["slow away from a, towards b"] = { a = { up = { delay = "250ms" }, down = { delay = "1ms" } },
                                        b = { up = { delay = "1ms" }, down = { delay = "250ms" } } },
    ["one home far, one way"] = { s2 = { up = { delay = "300ms" }, down = { delay = "5ms" } } },
    ["both homes far, each way one"] = { s1 = { up = { delay = "300ms" }, down = { delay = "5ms" } },
                                         s2 = { up = { delay = "5ms" }, down = { delay = "300ms" } } },
}

local pairings = {
    { "none", "home" }, { "home", "home" }, { "full-cone", "symmetric" }, { "home", "symmetric" }, { "symmetric", "symmetric" },
    { "restricted-cone", "port-restricted-cone" },
}

local function on(way, words)
    for word, value in pairs(way or {}) do words[word] = value end
    return words
end

for name, way in pairs(ways) do
    for _, pair in ipairs(pairings) do
        scenario(("%s calls %s: %s"):format(pair[1], pair[2], name))
        duration "40s"
        server "s1" (on(way.s1, way.s1 and {} or { delay = "10ms" }))
        server "s2" (on(way.s2, way.s2 and {} or { delay = "10ms" }))
        for i, client_name in ipairs { "a", "b" } do
            router(client_name .. "1")(on(way[client_name], { nat = pair[i] }))
            client(client_name) { behind = client_name .. "1", delay = "1ms", home = "s" .. i, reserve = "s" .. 3 - i }
        end
        at "15s" { connect("a", "b") }
        at "17s" { talk("a", "b", { every = "20ms", lasts = "15s" }) }
        -- The oracle's flood knows of each way's delay; a client, which does not, may take longer than 1.1 times as long.
        expect { finally, verdict("a", "b", { bounds = false }) }
        expect { within = "2s", after = "15s", data("a", "b") }
        expect { always, after = "17s", data("a", "b", { gap = "1s" }) }
        expect { always, after = "17s", data("b", "a", { gap = "1s" }) }
    end
end
