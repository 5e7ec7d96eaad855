-- A NAT reboots and forgets everything: the port that a pair's probes had found open is another one now, or closed. The
-- pair talks across that without a gap of a second, and is direct again soon after. Homes that keep ports, and NATs that
-- do not, so that a path has to be found anew; either side, the other, and both at once.

local kinds = {
    { name = "ports preserved", nat = "home" },
    { name = "random ports", nat = { "home", ports = "random" } },
    { name = "random ports, open to anyone", nat = "carrier-grade" },
}

local function reboot(kind, who, routers)
    scenario(("%s: %s"):format(kind.name, who))
    duration "60s"
    server "s1"    { delay = "5ms" }
    server "s2"    { delay = "5ms" }
    router "left"  { nat = kind.nat, delay = "10ms" }
    router "right" { nat = kind.nat, delay = "15ms" }
    client "alice" { behind = "left", home = "s1", reserve = "s2" }
    client "bob"   { behind = "right", home = "s2", reserve = "s1" }

    at "8s"  { connect("alice", "bob") }
    at "10s" { talk("alice", "bob", { every = "20ms", lasts = "40s" }) }
    for _, name in ipairs(routers) do at "20s" { flush(name) } end

    expect { within = "1s", after = "8s", direct("alice", "bob") }
    expect { always, after = "10s", data("alice", "bob", { gap = "1s" }) }
    expect { always, after = "10s", data("bob", "alice", { gap = "1s" }) }
    expect { never, after = "25s", relayed("alice", "bob") }
    expect { finally, verdict("alice", "bob", { bounds = false }) }
end

for _, kind in ipairs(kinds) do
    reboot(kind, "the caller's NAT reboots", { "left" })
    reboot(kind, "the callee's NAT reboots", { "right" })
    reboot(kind, "both reboot", { "left", "right" })
end
