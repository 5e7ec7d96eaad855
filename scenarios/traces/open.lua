scenario "a client behind a full cone is reached by strangers and by itself"
server "s1" { delay = "20ms" }
router "cone" { nat = "full-cone", delay = "10ms" }
client "alice" { behind = "cone", delay = "1ms" }
at "1s" { classify("alice") }
expect { within = "1s", after = "1s", classified("alice", { filtering = "EIF", hairpin = "external" }) }
