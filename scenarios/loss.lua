-- Pairs whose every packet may be lost, on either client's link, either way: they come to what the oracle says all the same,
-- the first data arrives before long, and what is sent afterwards goes on arriving.
local sides = {
    open = {},
    home = { nat = "home" },
    phone = { nat = "mobile-symmetric", inside = "carrier" },
    linux = { nat = "linux-masquerade" },
    firewall = { firewall = "stateful" },
}

local pairings = { { "open", "home" }, { "home", "home" }, { "linux", "linux" }, { "firewall", "home" }, { "home", "phone" },
                   { "phone", "phone" } }

for _, loss in ipairs { "1%", "10%", "30%" } do
    for _, pair in ipairs(pairings) do
        scenario(("%s calls %s, %s of everything is lost"):format(pair[1], pair[2], loss))
        seeds(20)
        duration "60s"
        server "s1" { delay = "10ms" }
        server "s2" { delay = "10ms" }
        for i, name in ipairs { "a", "b" } do
            router(name .. "1") (sides[pair[i]])
            client(name) { behind = name .. "1", delay = (i * 8) .. "ms", home = "s" .. i, reserve = "s" .. 3 - i, loss = loss }
        end
        at "20s" { connect("a", "b") }
        at "24s" { talk("a", "b", { every = "20ms", lasts = "26s" }) }
        -- At 30 % an answer comes to one question in four: now and then a home is taken for lost, and calls and handshakes
        -- take long.
        local share = loss == "30%" and "75%" or "100%"
        expect { within = "5s", after = "20s", share = share, data("a", "b") }
        expect { finally, share = share, verdict("a", "b") }
        expect { always, after = "25s", share = share, data("a", "b", { gap = "1s" }) }
        expect { always, after = "25s", share = share, data("b", "a", { gap = "1s" }) }
    end
end
