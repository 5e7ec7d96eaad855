for i, nat in ipairs { "home", "symmetric" } do
    scenario("behind " .. nat)
    server "s" { ipv6 = true }
    router("r" .. i) { nat = { nat, pool = i }, ipv6 = true, nat_v6 = i == 2 }
    client "c" { behind = "r" .. i, ipv6 = true }
    at(i .. "s") { classify("c", { family = "ipv6" }), flush("r" .. i), crash "s" }
    at "9s" { restart "s" }
    expect { always, classified("c", { nat = "present" }) }
end
