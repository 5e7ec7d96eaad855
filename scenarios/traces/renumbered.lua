scenario "a new external address between two classifications changes the address and nothing else"
server "s1" { delay = "20ms" }
router "home" { nat = "full-cone", delay = "10ms" }
client "alice" { behind = "home", delay = "1ms" }
at "1s" { classify("alice") }
at "2s" { address("home") }
at "3s" { classify("alice") }
expect { always, classified("alice") }
