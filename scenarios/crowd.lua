-- Twenty clients behind one NAT, every one of which sends from port 51940: they all call one laptop elsewhere, and one in
-- four calls a neighbour. Nobody's data ends up with anybody else, and every pair comes to what the oracle says.
local crowd = 20
local nats = {
    ["a home router"] = { "home", hairpin = "off" },
    ["a home router with hairpins"] = { "home", hairpin = "external" },
    -- With more addresses than one, neighbours cannot tell that they are: each is seen at another.
    ["a carrier's NAT"] = { "carrier-grade", pool = 1 },
    ["a symmetric NAT"] = { "symmetric" },
    ["linux"] = { "linux-masquerade" },
}

for name, nat in pairs(nats) do
    for _, laptop in ipairs { "home", "restricted-cone" } do
        scenario(("twenty behind %s call one behind %s"):format(name, laptop))
        seeds(3)
        duration "40s"
        server "s1" { delay = "10ms" }
        server "s2" { delay = "10ms" }
        router "crowd" { nat = nat, delay = "5ms" }
        router "away" { nat = laptop, delay = "12ms" }
        client "laptop" { behind = "away", delay = "1ms", home = "s2", reserve = "s1" }
        for i = 1, crowd do
            client("c" .. i) { behind = "crowd", delay = (i * 50) .. "us", home = "s" .. i % 2 + 1, reserve = "s" .. 2 - i % 2 }
        end
        for i = 1, crowd do
            at "12s" { connect("c" .. i, "laptop") }
            at "15s" { talk("c" .. i, "laptop", { every = "100ms", lasts = "10s" }) }
            expect { within = "1s", after = "12s", data("c" .. i, "laptop") }
            expect { finally, verdict("c" .. i, "laptop", { bounds = false }) }
            expect { always, after = "15s", data("c" .. i, "laptop") }
            expect { always, after = "15s", data("laptop", "c" .. i) }
        end
        for i = 1, crowd - 1, 4 do
            local one, other = "c" .. i, "c" .. i + 1
            at "13s" { connect(one, other) }
            at "15s" { talk(one, other, { every = "100ms", lasts = "10s" }) }
            expect { finally, verdict(one, other, { bounds = false }) }
            expect { always, after = "15s", data(one, other) }
        end
    end
end

-- As many as a carrier puts behind one address, all started in one moment: the budget of that address lets in a few of them
-- in each round trip. They call ten laptops elsewhere.
local many, laptops = 500, 10
scenario(("%d behind one carrier's NAT call %d behind home"):format(many, laptops))
duration "35s"
server "s1" { delay = "10ms" }
server "s2" { delay = "10ms" }
router "crowd" { nat = { "carrier-grade", pool = 1 }, inside = "carrier", delay = "5ms" }
for i = 1, laptops do
    router("away" .. i) { nat = "home", delay = "12ms" }
    client("laptop" .. i) { behind = "away" .. i, delay = "1ms", home = "s2", reserve = "s1" }
end
for i = 1, many do
    local caller, laptop = "c" .. i, "laptop" .. i % laptops + 1
    client(caller) { behind = "crowd", delay = (i * 10) .. "us", home = "s" .. i % 2 + 1, reserve = "s" .. 2 - i % 2 }
    at "25s" { connect(caller, laptop) }
    expect { within = "2s", after = "25s", data(caller, laptop) }
    expect { finally, verdict(caller, laptop, { bounds = false }) }
end
