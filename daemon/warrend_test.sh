#!/usr/bin/env bash
# warrend from the outside, without any rights: a server on the loopback, which has no interface. What it says when
# something is missing, its card, its control socket, its signals, and that its tape replays.
set -u
cd "$(dirname "$0")/.." || exit 2
# shellcheck source=ci/tap.sh
. ci/tap.sh
build=$(realpath "${BUILD:-build}")
warrend=$build/warrend warren=$build/warren
tmp=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon" 2>/dev/null; rm -rf "$tmp"' EXIT
cd "$tmp" || exit 2
umask 077

# Ports that are probably free, and differ where two of these run at once.
port=$((20000 + $$ % 20000))

key() { awk -v name="$2" '$1 == name { print $2 }' "$1"; }

make_papers() {
    "$warren" root root >root.out && "$warren" keygen s1.id >s1.out && "$warren" keygen other.id >other.out &&
        "$warren" certify --root root --name s1 --identity "$(key s1.out identity)" --key "$(key s1.out key)" -o s1.cert
}

# write_config NAME LINE...: a configuration that is right but for the lines that are given.
write_config() {
    local name=$1 line
    shift
    {
        echo "[warren]"
        for line in "role = server" "root = $(key root.out root)" "identity = s1.id" "certificate = s1.cert" \
            "listen = 127.0.0.1, 127.0.0.2" "punch-port = $port" "relay-port = $((port + 1))" \
            "tunnel-port = $((port + 2))" "stun-port = $((port + 3))" "stun-alternate-port = $((port + 4))" \
            "control = $tmp/control" "state-dir = $tmp/state" "tape = $tmp/s1.tape"; do
            local kept=1 other
            for other in "$@"; do
                [ "${other%% *}" != "${line%% *}" ] || kept=
            done
            [ -z "$kept" ] || echo "$line"
        done
        printf '%s\n' "$@"
    } >"$name"
}

# check TEXT WANTED_STATUS WANTED_PATTERN COMMAND...: the pattern is looked for in all that the command says.
check() {
    local text=$1 wanted=$2 pattern=$3 said status
    shift 3
    said=$(timeout 20 "$@" 2>&1 </dev/null)
    status=$?
    if [ "$status" -ne "$wanted" ]; then
        fail "$text" "exit status $status, not $wanted: $said"
    elif ! grep -qE -- "$pattern" <<<"$said"; then
        fail "$text" "said nothing like /$pattern/: $said"
    else
        pass "$text"
    fi
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
    local tries=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

check "--help" 0 'Signals: TERM and INT end it' "$warrend" --help
check "--version" 0 '^warrend [0-9]' "$warrend" --version
check "a wrong option" 2 "try 'warrend --help'" "$warrend" --frobnicate
check "an argument" 2 "there is no argument 'x'" "$warrend" x
check "options that exclude each other" 2 'exclude each other' "$warrend" --check --no-check
check "no configuration" 2 'none.conf' "$warrend" --config none.conf

if ! make_papers; then
    fail "keys and papers" "$(cat ./*.out)"
    finish
fi

write_config good.conf
check "--check of what is right" 0 '^' "$warrend" --config good.conf --check
write_config bad.conf "punch-port = many"
check "a wrong value" 2 'bad.conf:[0-9]+: ' "$warrend" --config bad.conf --check
write_config bad.conf "identity = none.id"
check "no identity" 1 'none.id' "$warrend" --config bad.conf --check
cp s1.id open.id && chmod 644 open.id
write_config bad.conf "identity = open.id"
check "an identity that others can read" 1 'open.id: .*(chmod|mode|read)' "$warrend" --config bad.conf --check
write_config bad.conf "identity = other.id"
check "a certificate of another" 1 's1.cert: it is made out to another identity' "$warrend" --config bad.conf --check
"$warren" root root2 >root2.out
write_config bad.conf "root = $(key root2.out root)"
check "a certificate of another mesh" 1 'not of this mesh' "$warrend" --config bad.conf --check
write_config bad.conf "listen = 192.0.2.77"
check "an address that is not ours" 1 'no interface here has the address 192.0.2.77' "$warrend" --config bad.conf --check
write_config bad.conf "state-dir = $tmp/none/state"
check "no folder for the state" 1 'cannot be made in .*none.*state-dir=' "$warrend" --config bad.conf --check
write_config bad.conf "user = nobody-of-that-name"
check "no such user" 1 "there is no user 'nobody-of-that-name'" "$warrend" --config bad.conf --check
write_config bad.conf "user = nobody-of-that-name" "identity = none.id" "listen = 192.0.2.77"
check "all that is missing is said at once" 1 'none.id' "$warrend" --config bad.conf --check
check "and the next" 1 '192.0.2.77' "$warrend" --config bad.conf --check
check "and the last" 1 'nobody-of-that-name' "$warrend" --config bad.conf --check
echo "no ring" >no.tape
check "what is no ring tape" 1 'no.tape is not a ring tape' "$warrend" --replay no.tape

# A sanitizer looks for leaks in ways that the filter of system calls does not allow.
confine=()
if grep -qa __asan_init "$warrend"; then confine=(--no-confine); fi

"$warrend" --config good.conf "${confine[@]}" 2>log &
daemon=$!
if wait_for 20 grep -q ' ready ' log; then pass "starts"; else fail "starts" "$(cat log)"; fi
check "a second one on the same sockets" 1 "another warrend runs|another program has UDP port $port" \
    "$warrend" --config good.conf --check
check "its card is there" 0 's1' "$warren" show --root "$(key root.out root)" state/card
check "status" 0 '"role": ?"server"' "$warren" status --json --control control
check "version" 0 'warrend' "$warren" version --control control
check "log" 0 ' info ready ' "$warren" log --control control
check "netcheck of who knows no server" 1 'no server to ask' "$warren" netcheck --control control
check "it serves STUN on two addresses and ports" 0 '"nat":"none","mapping":"EIM","filtering":"EIF"' \
    "$build/stun-probe" discover --json "127.0.0.1:$((port + 3))"
check "the counters tell of it" 0 '"stun_served": ?[1-9]' "$warren" status --json --control control
check "the socket is for few" 0 '^660$' stat -c %a control
check "the tape is its owner's" 0 '^600$' stat -c %a s1.tape
if command -v jq >/dev/null; then
    "$warren" status --json --control control >status.json
    report "the status has every member of its schema" "$(sed -n '/^## The status/,/^## A peer/s/^| `\([a-z_`, ]*\)` .*/\1/p' \
        "$OLDPWD/docs/status.md" | tr -d '`,' | tr ' ' '\n' | while read -r member; do
        [ -z "$member" ] || jq -e "has(\"$member\")" status.json >/dev/null || echo "no member $member"
    done)"
    report "no secret in status, log or card" "$(for secret in $(sed -n 's/^\(seed\|tunnel\) *= *//p' s1.id); do
        grep -lF -- "$secret" status.json log state/card
    done)"
else
    skip "the status has every member of its schema" "there is no jq"
    skip "no secret in status, log or card" "there is no jq"
fi
kill -USR1 "$daemon"
if wait_for 5 grep -q ' status ' log; then pass "SIGUSR1 writes the status"; else fail "SIGUSR1 writes the status" "$(cat log)"; fi
kill -HUP "$daemon"
if wait_for 5 grep -qE ' config-read | config ' log; then pass "SIGHUP reads peers again"; else fail "SIGHUP reads peers again" "$(cat log)"; fi
kill -QUIT "$daemon"
if wait_for 5 test -s state/ring.tape; then pass "SIGQUIT writes the ring tape"; else fail "SIGQUIT writes the ring tape" "$(cat log)"; fi
kill -TERM "$daemon"
wait "$daemon"
status=$?
daemon=
if [ "$status" -eq 0 ]; then pass "SIGTERM ends it"; else fail "SIGTERM ends it" "exit status $status: $(cat log)"; fi
check "the ring tape replays" 0 '^replayed [0-9]+ inputs' "$warrend" --replay state/ring.tape
check "the tape replays to the same digest" 0 '^ok 1' "$build/warren-lab" replay s1.tape
finish
