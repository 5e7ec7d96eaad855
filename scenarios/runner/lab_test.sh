#!/usr/bin/env bash
# warren-lab from the outside: exit codes, messages, files, digests, traces.
set -u
cd "$(dirname "$0")/../.." || exit 2
# shellcheck source=ci/tap.sh
. ci/tap.sh
lab=${BUILD:-build}/warren-lab
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

world='server "s1" { delay = "20ms" }
router "home" { nat = "home", delay = "10ms" }
client "alice" { behind = "home" }
at "1s" { classify("alice") }'
{ echo 'scenario "right"'; echo "$world"; echo 'expect { finally, classified("alice") }'; } >"$tmp/right.lua"
{ printf '%s\n' 'scenario "wrong # and \\ strange"'; echo "$world"; echo 'expect { finally, classified("alice", { mapping = "APDM" }) }'; } >"$tmp/wrong.lua"
{ echo 'scenario "misspelt"'; echo 'router "home" { nat = { "home", mappin = "APDM" } }'; } >"$tmp/misspelt.lua"
echo 'while true do end' >"$tmp/forever.lua"

check "a script whose expectations hold" 0 '^1 passed, 0 failed, 0 skipped$' "$lab" run "$tmp/right.lua"
check "a TAP line for it" 0 '^ok 1 - right: alice, finally, finds what the oracle says$' "$lab" run "$tmp/right.lua"
check "a summary without it" 0 '^home +EIM APDF' "$lab" run "$tmp/right.lua" --summary
check "a failed expectation" 1 '^0 passed, 1 failed, 0 skipped$' "$lab" run "$tmp/wrong.lua"
check "  is escaped as TAP asks" 1 '^not ok 1 - wrong \\# and \\\\ strange: alice, finally, finds mapping APDM$' "$lab" run "$tmp/wrong.lua"
check "  says what was expected" 1 'expected: alice, finally, finds mapping APDM' "$lab" run "$tmp/wrong.lua"
check "  says what happened" 1 'happened: with seed 7, at [0-9]+ms it found mapping EIM' "$lab" run "$tmp/wrong.lua" --seed 7
check "  shows the last events" 1 '^#     [0-9.]+ alice +found nat present, mapping eim' "$lab" run "$tmp/wrong.lua"
check "  says where the capture is" 1 'captures and trace: build/failed/wrong-1-1/' "$lab" run "$tmp/wrong.lua"
check "  which is there" 0 alice ls build/failed/wrong-1-1/run-alice.pcap build/failed/wrong-1-1/trace.txt
check "a misspelling" 2 'misspelt.lua:2: unknown field "mappin" of router: did you mean "mapping"\?' "$lab" run "$tmp/misspelt.lua"
check "a misspelling in the second script stops the first" 2 '^[^ ]*misspelt.lua:2: unknown field' "$lab" run "$tmp/right.lua" "$tmp/misspelt.lua"
check "an endless loop" 2 'forever.lua:1: the script takes more than 4000000 steps' "$lab" run "$tmp/forever.lua"
check "a script that is not there" 2 'none.lua: cannot be read: No such file' "$lab" run "$tmp/none.lua"
check "an unknown command" 2 'unknown command "rnu": did you mean "run"\?' "$lab" rnu
check "an unknown option" 2 'unknown option "--sed": did you mean "--seed"\?' "$lab" run --sed 1 "$tmp/right.lua"
check "an option without its value" 2 '--seed needs a N' "$lab" run "$tmp/right.lua" --seed
check "seeds that are no number" 2 '"x1" is not a number' "$lab" run "$tmp/right.lua" --seeds x1
check "a seed that is no number" 2 '"x1" is not a number' "$lab" run "$tmp/right.lua" --seed x1
check "an unknown network" 2 'unknown network "smi": did you mean "sim"\?' "$lab" run "$tmp/right.lua" --on smi
check "--keep where nothing can stay" 2 '^warren-lab: --keep: a run on sim leaves nothing that could stay$' "$lab" run "$tmp/right.lua" --keep
check "digests of real time" 2 '^warren-lab: runs on tun are in real time, and have no digests to compare$' "$lab" run "$tmp/right.lua" --on tun --digests
check "an option of another command" 2 '^warren-lab: --twice is an option of run$' "$lab" compare "$tmp/right.lua" --twice
check "a time that is none" 2 '^warren-lab: --longest: "3" is not a duration' "$lab" run "$tmp/right.lua" --longest 3
check "too many at once" 2 '^warren-lab: --jobs: no more than 1024$' "$lab" run "$tmp/right.lua" --jobs 1025
check "what takes too long in real time, or a network that is not there" 0 '^ok 1 - .* # SKIP ' "$lab" run scenarios/two-days.lua --on tun
check "another mesh in virtual time" 0 '^ok 1 - .*: it runs # SKIP nebula is a program, which runs in real time' "$lab" run scenarios/peers.lua --only "nebula: none calls none"
check "  with nothing to compare" 0 'no mesh has a direct pair that Warren relays # SKIP no pair was run' "$lab" run scenarios/peers.lua --only ": none calls none"
check "  in the grid" 0 '^    none  direct 0\.[0-9]+/0\.[0-9]+  -  ' "$lab" run scenarios/peers.lua --only ": none calls none"
check "a network with itself" 2 '^warren-lab: --on names "sim" twice$' "$lab" compare "$tmp/right.lua" --on sim,sim
check "one network has nothing to be compared with" 0 '^0 pairs compared, 0 differences, 0 declared, 0 skipped$' "$lab" compare "$tmp/right.lua" --on sim
check "  shows what was found" 0 '^right: alice +EIM APDF preserved hairpin:off paired' "$lab" compare "$tmp/right.lua" --on sim
check "  as JSON" 0 '"kind":"classified","a":"alice","ordinal":0,"network":"sim"' "$lab" compare "$tmp/right.lua" --on sim --json -
check "two NATs" 0 '^symmetric +APDM APDF random hairpin:off paired +APDM APDF' "$lab" classify home symmetric --on sim
check "  every NAT" 0 '^eim-eif ' "$lab" classify --all --on sim
check "  as JSON" 0 '^\{"nat":"home","network":"sim","oracle":"EIM APDF [^"]*","found":"EIM APDF [^"]*","verdict":"pass"\}$' "$lab" classify home --on sim --json -
check "  an unknown one" 2 '^warren-lab: unknown NAT "hoem": did you mean "home"\?$' "$lab" classify hoem
check "  none at all" 2 '^warren-lab: classify needs a NAT, or --all$' "$lab" classify --on sim
check "no command" 2 'no command' "$lab"
check "no script" 2 'run needs a script' "$lab" run
check "help" 0 'plan-hash' "$lab" --help
check "help for one command" 0 '--tape' "$lab" run --help
check "the version" 0 '^warren-lab [0-9]' "$lab" --version
check "the list of presets" 0 '^  linux-masquerade ' "$lab" list
check "the list of parameters" 0 '^  mapping .*eim, adm, apdm' "$lab" list
check "runs selected by title" 0 '^0 passed, 0 failed, 0 skipped$' "$lab" run "$tmp/right.lua" --only nothing
check "what an idle hour costs" 0 '^# two clients .*: in an idle hour alice sends [1-9][0-9]+ bytes in [1-9][0-9]+ IP packets$' "$lab" run scenarios/a-day.lua --only "know each other"
check "two runs in one process" 0 'ok 2 - right: two runs with one seed have one digest' "$lab" run --twice "$tmp/right.lua"
check "JSON" 0 '"verdict":"pass","runs":1,"right":1' "$lab" run "$tmp/right.lua" --json -
check "JSON of a failure" 1 '"happened":"at [0-9]+ms it found mapping EIM"' "$lab" run "$tmp/wrong.lua" --json -
if command -v jq >/dev/null; then
    if "$lab" run "$tmp/wrong.lua" "$tmp/right.lua" --json - 2>/dev/null | jq -e . >/dev/null; then
        pass "jq reads it"
    else
        fail "jq reads it"
    fi
else
    skip "jq reads it" "jq is not installed"
fi
# Daemons that end at once: no run is made, nothing is expected of it, and what is declared excuses nothing.
mkdir "$tmp/dead"
cp "$lab" "$tmp/dead/warren-lab"
printf '#!/bin/sh\nexit 1\n' | tee "$tmp/dead/warrend" >"$tmp/dead/stun-probe"
chmod +x "$tmp"/dead/*
echo 'scenario "dead" differs("tun", "so it is") server "s1" client "a" client "b" mesh() at "1s" { crash("b") }' >"$tmp/dead.lua"
if "$tmp/dead/warren-lab" run "$tmp/dead.lua" --on tun 2>&1 | grep -q '# SKIP'; then
    skip "a run that cannot be made" "this machine has no tun"
else
    check "a run that cannot be made" 1 '^not ok 1 - dead: it runs$' "$tmp/dead/warren-lab" run "$tmp/dead.lua" --on tun
    check "  in a comparison" 1 '^0 pairs compared, 0 differences, 0 declared, 0 skipped, 1 not run$' "$tmp/dead/warren-lab" compare "$tmp/dead.lua" --on sim,tun
fi
check "a file that cannot be written" 2 'No such file or directory' "$lab" run "$tmp/right.lua" --json "$tmp/no/where"

"$lab" run "$tmp/right.lua" --tape "$tmp/tapes" --pcap "$tmp/pcaps" >/dev/null
check "a tape of each node" 0 . ls "$tmp/tapes/right-1-1-alice.tape" "$tmp/tapes/right-1-1-s1.tape"
check "  that only its owner can read" 0 '^-rw-------' ls -l "$tmp/tapes/right-1-1-alice.tape"
check "  replays to its digest" 0 '^ok 2 ' "$lab" replay "$tmp"/tapes/*.tape
head -c 500 "$tmp/tapes/right-1-1-alice.tape" >"$tmp/short.tape"
check "  is refused when it is cut short" 2 'short.tape: byte [0-9]+: ' "$lab" replay "$tmp/short.tape"
check "what is no tape is refused" 2 'right.lua: byte 0: is not a Warren tape' "$lab" replay "$tmp/right.lua"
check "a capture of each interface" 0 . ls "$tmp/pcaps/right-1-1-alice.pcap" "$tmp/pcaps/right-1-1-home.pcap"
# Wireshark's second opinion on every packet of every trace script: nothing malformed, no wrong checksum, no warning.
if command -v tshark >/dev/null; then
    "$lab" run scenarios/traces/*.lua --pcap "$tmp/wire" >/dev/null
    odd='_ws.malformed || _ws.expert.severity >= 0x600000 || ip.checksum.status == 0 || udp.checksum.status == 0'
    packets=0
    strange=
    for capture in "$tmp"/wire/*.pcap; do
        packets=$((packets + $(tshark -r "$capture" 2>/dev/null | wc -l)))
        strange+=$(tshark -r "$capture" -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE -d udp.port==3479,stun \
            -Y "$odd || !(stun || icmp || icmpv6)" 2>/dev/null | head -n 3)
    done
    if [ "$packets" -gt 100 ] && [ -z "$strange" ]; then
        pass "tshark decodes $packets captured packets without a warning"
    else
        fail "tshark decodes $packets captured packets without a warning" "$strange"
    fi
else
    skip "tshark decodes the captures without a warning" "tshark is not installed"
fi

for script in scenarios/*.lua scenarios/traces/*.lua; do
    "$lab" print "$script" >"$tmp/printed.lua"
    # What loops made can be longer than a script may be; print_test loads that scenario by scenario.
    [ "$(wc -c <"$tmp/printed.lua")" -lt 262144 ] || continue
    report "print $script is the same plan" "$(diff <("$lab" plan-hash "$script" | cut -f 2) <("$lab" plan-hash "$tmp/printed.lua" | cut -f 2))"
done
report "a plan has one hash in 20 processes" "$(for _ in {1..20}; do "$lab" plan-hash scenarios/classify.lua; done | sort -u | tail -n +2)"
report "a run has one digest in two processes" "$(diff <("$lab" run "$tmp/right.lua" --digests 2>&1) <("$lab" run "$tmp/right.lua" --digests --trace "$tmp/trace" --hops 2>&1))"
for trace in scenarios/traces/*.trace; do
    report "$trace is what happens" "$("$lab" run "${trace%.trace}.lua" --trace - 2>/dev/null | diff "$trace" -)"
done
finish
