#!/usr/bin/env bash
# Runs on ns-3 from the outside: warren-lab, and warren-ns3 by hand. Without warren-ns3, what is said of that.
set -u
cd "$(dirname "$0")/../.." || exit 2
# shellcheck source=ci/tap.sh
. ci/tap.sh
lab=${BUILD:-build}/warren-lab
ns3=${BUILD:-build}/warren-ns3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

world='server "s1" { delay = "20ms" }
router "home" { nat = "home", delay = "10ms" }
client "alice" { behind = "home" }
client "bob" { delay = "5ms" }'
pair='at "8s" { connect("alice", "bob") }
expect { finally, direct("alice", "bob") }'
printf '%s\n' 'scenario "right"' "$world" "$pair" >"$tmp/right.lua"
printf '%s\n' 'scenario "jitters"' "$world" 'client "carol" { jitter = "1ms" }' "$pair" >"$tmp/jitter.lua"
printf '%s\n' 'scenario "bulk"' "$world" 'at "1s" { bulk("s1", "alice") }' "$pair" >"$tmp/bulk.lua"
printf '%s\n' 'scenario "long" duration "720h" mesh()' "$world" >"$tmp/long.lua"

for network in sim tun linux; do
    check "bulk data on $network" 0 "# SKIP (bulk data is only ns-3's, which has TCP: --on ns3|.*beside|.*not installed|.*/dev/net/tun|.*namespace)" \
        "$lab" run "$tmp/bulk.lua" --on "$network"
done
if [ ! -x "$ns3" ]; then
    check "ns-3 where it is not built" 0 '# SKIP there is no warren-ns3 beside warren-lab: make ns3 builds it' \
        "$lab" run "$tmp/right.lua" --on ns3
    skip "runs on ns-3" "there is no $ns3: make ns3 builds it"
    finish
fi

digests() { # SCRIPT OPTION...
    "$lab" run "$@" --on ns3 --digests 2>/dev/null | cut -f 4
}

check "a script whose expectations hold" 0 '^1 passed, 0 failed, 0 skipped$' "$lab" run "$tmp/right.lua" --on ns3
check "each run twice" 0 '^2 passed, 0 failed, 0 skipped$' "$lab" run "$tmp/right.lua" --on ns3 --twice
first=$(digests "$tmp/right.lua")
if [ -n "$first" ] && [ "$first" = "$(digests "$tmp/right.lua")" ]; then
    pass "one seed, one digest"
else
    fail "one seed, one digest" "first: $first"
fi
if [ "$first" != "$(digests "$tmp/right.lua" --seed 2)" ]; then
    pass "another seed, another digest"
else
    fail "another seed, another digest" "$first"
fi
check "compared with the simulator" 0 '1 pairs? compared, 0 differences' "$lab" compare "$tmp/right.lua" --on sim,ns3
check "captures, tapes and a trace" 0 '^1 passed' "$lab" run "$tmp/right.lua" --on ns3 --pcap "$tmp/pcap" --tape "$tmp/tape" \
    --trace "$tmp/trace" --hops
check "  are there" 0 bob ls "$tmp/pcap/right-1-1-alice.pcap" "$tmp/tape/right-1-1-bob.tape"
check "  with what happened" 0 alice cat "$tmp/trace"
check "  and the tapes replay" 0 '^ok 1 ' "$lab" replay "$tmp/tape/right-1-1-alice.tape"
check "what ns-3 cannot express" 0 "# SKIP ns-3's links have no jitter, which that of \"carol\" has\$" \
    "$lab" run "$tmp/jitter.lua" --on ns3
check "  by hand" 2 "^warren-ns3: jitters: ns-3's links have no jitter, which that of \"carol\" has\$" "$ns3" "$tmp/jitter.lua"
check "a script by hand" 0 '^\{"script":"[^"]*right.lua","network":"ns3",.*"verdict":"pass"' "$ns3" "$tmp/right.lua"
if "$lab" print "$tmp/right.lua" | "$ns3" --seed 1 2>/dev/null | grep -q '"scenario":"right","network":"ns3",.*"path":"direct"'; then
    pass "a printed plan by a pipe"
else
    fail "a printed plan by a pipe"
fi
check "an unknown option" 2 'unknown option "--sed": did you mean "--seed"\?' "$ns3" --sed 1
check "an option without its value" 2 '--seed needs a N' "$ns3" --seed
check "help" 0 '^usage: warren-ns3' "$ns3" --help

# Interrupted: the runner ends, and the process of the run with it.
descendants() { # PID
    local child
    for child in $(pgrep -P "$1"); do
        descendants "$child"
        echo "$child"
    done
}
set -m # or the runner would ignore SIGINT
"$lab" run "$tmp/long.lua" --on ns3 >/dev/null 2>&1 &
runner=$!
set +m
for _ in {1..100}; do
    mapfile -t below < <(descendants "$runner")
    [ "${#below[@]}" -lt 2 ] || break
    sleep 0.1
done
kill -INT "$runner"
wait "$runner"
status=$?
if [ "$status" -eq 130 ]; then
    pass "a run that is interrupted"
else
    fail "a run that is interrupted" "exit status $status"
fi
for _ in {1..100}; do
    left=
    for process in "${below[@]}"; do
        [ ! -e "/proc/$process" ] || left+=" $process"
    done
    [ -n "$left" ] || break
    sleep 0.1
done
if [ "${#below[@]}" -ge 2 ] && [ -z "$left" ]; then
    pass "  leaves no process"
else
    fail "  leaves no process" "${#below[@]} below, left:$left"
fi
finish
