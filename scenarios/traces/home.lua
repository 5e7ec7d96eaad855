scenario "a laptop at home finds a NAT that keeps ports and filters by address and port"
server "s1" { delay = "20ms" }
router "home" { nat = "home", delay = "10ms" }
client "alice" { behind = "home", delay = "1ms" }
at "1s" { classify("alice") }
expect { within = "1300ms", after = "1s", classified("alice", { mapping = "EIM", filtering = "APDF", ports = "preserved" }) }
