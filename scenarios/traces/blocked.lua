scenario "a guest of a hotel that blocks UDP hears nothing"
server "s1" { delay = "20ms" }
router "hotel" { nat = "home", firewall = "udp-blocked" }
client "guest" { behind = "hotel", delay = "1ms" }
at "1s" { classify("guest") }
expect { finally, classified("guest", { nat = "blocked" }) }
