scenario "a phone gets a new port for every remote"
server "s1" { delay = "20ms" }
router "mobile" { nat = "mobile-symmetric", delay = "35ms" }
client "phone" { behind = "mobile", delay = "1ms" }
at "1s" { classify("phone") }
expect { finally, classified("phone", { mapping = "APDM", ports = "random" }) }
