-- A day on which nobody says anything: a direct pair stays direct and a relayed one relayed, with one reason, from the
-- first seconds to the last; what that costs in an hour is printed, and beside it what a client costs that knows nobody.

local function day(title, left, right)
    scenario(title)
    duration "24h"
    server "s1"    { delay = "5ms" }
    server "s2"    { delay = "5ms" }
    router "left"  { nat = left, delay = "10ms" }
    router "right" { nat = right, delay = "15ms" }
    client "alice" { behind = "left", home = "s1", reserve = "s2" }
    client "bob"   { behind = "right", home = "s2", reserve = "s1" }
end

local short = { "linux-masquerade-drop", idle = "30s", two_way_after = "0s" } -- and a mapping for each remote

day("a direct pair for a day", short, short)
at "8s" { connect("alice", "bob") }
expect { always, after = "10s", direct("alice", "bob", "punched") }
expect { never, after = "10s", relayed("alice", "bob") }

day("a relayed pair for a day", { "mobile-symmetric", idle = "30s" }, short)
at "8s" { connect("alice", "bob") }
expect { always, after = "12s", relayed("alice", "bob", "apdm-against-apdf") }
expect { never, after = "12s", direct("alice", "bob") }
expect { never, after = "12s", unreachable("alice", "bob") }

day("two clients that do not know each other, for a day", short, short)
mesh()
