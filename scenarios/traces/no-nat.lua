scenario "a server room has no NAT"
server "s1" { delay = "20ms" }
client "rack" { delay = "1ms" }
at "1s" { classify("rack") }
expect { within = "200ms", after = "1s", classified("rack") }
