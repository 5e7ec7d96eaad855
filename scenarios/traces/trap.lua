scenario "a Linux router without an inbound drop moves the mapping of whoever was refused"
server "s1" { delay = "20ms" }
router "linux" { nat = "linux-masquerade", delay = "10ms" }
client "alice" { behind = "linux", delay = "1ms" }
at "1s" { classify("alice") }
expect { finally, classified("alice", { trap = "yes" }) }
