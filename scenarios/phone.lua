-- A mobile carrier's NAT gives every destination another port, and a home router admits nobody whom it does not expect: such
-- a pair is relayed, and its data flows all the same, also across a reboot of the home router.
scenario "a phone on a carrier NAT calls a laptop at home"
duration "90s"

server "s1"    { delay = "5ms" }
server "s2"    { delay = "5ms" }
router "home"  { nat = "home", delay = "12ms" }
router "cgn"   { nat = "mobile-symmetric", inside = "carrier", delay = "35ms" }
client "alice" { behind = "home", home = "s1", reserve = "s2" }
client "bob"   { behind = "cgn", home = "s2", reserve = "s1" }

at "8s"  { connect("bob", "alice") }
at "9s"  { talk("bob", "alice", { every = "50ms", lasts = "70s" }) }
at "60s" { flush "home" }

expect { within = "201ms", after = "8s", data("bob", "alice") } -- three times the way: a handshake, and the packet
expect { within = "3s", after = "8s", relayed("bob", "alice", "apdm-against-apdf") }
expect { finally, verdict("bob", "alice") }
expect { always, after = "9s", data("bob", "alice", { gap = "1s" }) }
expect { always, after = "9s", data("alice", "bob", { gap = "1s" }) }
