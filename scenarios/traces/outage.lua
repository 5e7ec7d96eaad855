scenario "a line that comes back after three seconds delays the answer and changes nothing"
server "s1" { delay = "20ms" }
router "home" { nat = "full-cone", delay = "10ms" }
client "alice" { behind = "home", delay = "1ms" }
at "900ms"  { down("home") }
at "1s"     { classify("alice") }
at "3900ms" { up("home") }
expect { never, classified("alice", { nat = "blocked" }) }
expect { within = "4s", after = "4s", classified("alice", { mapping = "EIM", filtering = "EIF" }) }
