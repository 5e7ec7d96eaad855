scenario "over IPv6 there is a firewall and no NAT"
server "s1" { delay = "20ms", ipv6 = true }
router "home" { nat = "home", firewall = "stateful-eif", ipv6 = true, delay = "10ms" }
client "alice" { behind = "home", delay = "1ms", ipv6 = true }
at "1s" { classify("alice", { family = "ipv6" }) }
expect { finally, classified("alice", { nat = "none", filtering = "EIF" }) }
