scenario "a laptop behind a port-restricted NAT finds that out"
server "s1"    { delay = "20ms", addresses = 2 }
router "home"  { nat = "home", delay = "12ms" }
client "alice" { behind = "home", delay = "1ms" }
at "1s"  { classify("alice") }
expect { finally, classified("alice", { mapping = "EIM", filtering = "APDF" }) }
expect { within = "40s", after = "1s", classified("alice") }

scenario "a laptop behind a port-restricted NAT finds that out"
seeds(50)
server "s1"    { delay = "20ms", addresses = 2 }
router "home"  { nat = "home", delay = "12ms", loss = "10%" }
client "alice" { behind = "home", delay = "1ms" }
at "1s"  { classify("alice") }
expect { finally, share = "98%", classified("alice", { mapping = "EIM", filtering = "APDF" }) }
