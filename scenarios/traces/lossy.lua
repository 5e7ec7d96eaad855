scenario "a client on a bad line asks again until it is answered"
server "s1" { delay = "20ms" }
router "cone" { nat = "full-cone", delay = "10ms" }
client "alice" { behind = "cone", delay = "1ms", loss = "15%" }
at "1s" { classify("alice") }
expect { finally, classified("alice") }
