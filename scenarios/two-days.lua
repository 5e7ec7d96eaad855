-- Two days in which a pair says something every second, through NATs that forget after 30 s and have a mapping for each
-- remote: sessions are renewed every two minutes and wall clocks jump, and no second is without data. A third client is
-- suspended twice, for longer than a session holds, and once for a minute; each time it is heard again soon.

scenario "a packet each second for two days, and a third client that sleeps"
duration "48h"

local short = { "linux-masquerade-drop", idle = "30s", two_way_after = "0s" }

server "s1"    { delay = "5ms" }
server "s2"    { delay = "5ms" }
router "left"  { nat = short, delay = "10ms" }
router "right" { nat = short, delay = "15ms" }
router "far"   { nat = short, delay = "20ms" }
client "alice" { behind = "left", home = "s1", reserve = "s2" }
client "bob"   { behind = "right", home = "s2", reserve = "s1" }
client "carol" { behind = "far", home = "s2", reserve = "s1" }

at "8s"  { connect("alice", "bob"), connect("carol", "bob") }
at "10s" { talk("alice", "bob", { every = "1s", lasts = "172780s" }) }

at "10h" { clock("alice", "1h") }
at "14h" { clock("bob", "-2h") }
at "20h" { clock("alice", "-3h") }
at "26h" { clock("alice", "0s"), clock("bob", "0s") }

-- Every packet arrives: 30 ms after the one before by the direct path, at most 1 s and as much later.
expect { always, after = "9s", direct("alice", "bob", "punched") }
expect { always, after = "11s", data("alice", "bob", { gap = "1030ms" }) }
expect { always, after = "11s", data("bob", "alice", { gap = "1030ms" }) }

-- Both speak before the sleep, and for five minutes after it.
local function sleep(from_s, length_s)
    local at_s = from_s + length_s
    at((from_s - 60) .. "s") { talk("carol", "bob", { every = "1s", count = 60 }) }
    at(from_s .. "s") { suspend "carol" }
    at(at_s .. "s") { resume "carol" }
    at(at_s .. "s") { talk("carol", "bob", { every = "1s", count = 300 }) }
    for _, pair in ipairs { { "carol", "bob" }, { "bob", "carol" } } do
        expect { within = "5s", after = at_s .. "s", data(pair[1], pair[2]) }
    end
end

sleep(12 * 3600, 3600)
sleep(30 * 3600, 60)
sleep(40 * 3600, 7 * 3600)
expect { always, after = (47 * 3600 + 10) .. "s", data("carol", "bob", { gap = "1040ms" }) }
expect { always, after = (47 * 3600 + 10) .. "s", data("bob", "carol", { gap = "1040ms" }) }
expect { finally, direct("carol", "bob", "punched") }
