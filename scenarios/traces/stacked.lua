scenario "a home router at a carrier: ports are the carrier's, the filter is the home's"
server "s1" { delay = "20ms" }
router "cgn"  { nat = "carrier-grade", inside = "carrier", delay = "30ms" }
router "home" { nat = "home", behind = "cgn", delay = "10ms" }
client "alice" { behind = "home", delay = "1ms" }
at "1s" { classify("alice") }
expect { finally, classified("alice", { mapping = "EIM", filtering = "APDF", ports = "random" }) }
