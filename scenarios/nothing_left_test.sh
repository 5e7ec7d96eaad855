#!/usr/bin/env bash
# A run in namespaces leaves nothing behind: neither one that ends, nor one that is interrupted, nor one whose runner is
# killed. What a run has is looked up while it runs: its processes, and their namespaces of every kind.
set -u
cd "$(dirname "$0")/.." || exit 2
. ci/tap.sh
lab=${BUILD:-build}/warren-lab
networks=(tun linux)
runner=
files=$(mktemp -d)
clean_up() {
    [ -z "$runner" ] || kill -KILL "$runner" 2>/dev/null
    rm -rf "$files"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

cat >"$files/short.lua" <<'LUA'
scenario "two clients talk for a while"
duration "12s"
server "s1" {}
router "nat" { nat = "linux-masquerade-drop" }
client "alice" { behind = "nat" }
client "bob" {}
at "1s" { connect("alice", "bob") }
at "2s" { talk("alice", "bob", { every = "100ms", lasts = "9s" }) }
expect { within = "10s", after = "1s", data("alice", "bob") }
expect { finally, direct("alice", "bob") }
LUA

# The process and all below it, with when each began, so that nobody else is taken for it.
family() { # PROCESS
    local child
    echo "$1 $(cut -d' ' -f22 "/proc/$1/stat" 2>/dev/null)"
    for child in $(cat "/proc/$1/task/"*/children 2>/dev/null); do family "$child"; done
}

# Their namespaces, those included that only a file stands for.
namespaces() { # PROCESS...
    local process
    for process in "$@"; do
        readlink "/proc/$process/ns/"* 2>/dev/null
        readlink "/proc/$process/fd/"* 2>/dev/null | grep -E '^(net|mnt|pid|user|ipc):\['
    done | sort -u
}

alive() { # prints what of the family still lives
    local process began
    while read -r process began; do
        [ -n "$began" ] && [ "$(cut -d' ' -f22 "/proc/$process/stat" 2>/dev/null)" = "$began" ] && echo "process $process"
    done <"$files/family"
}

left() { # what is still there of what was noted
    alive
    # shellcheck disable=SC2046 # a list of numbers
    namespaces $(cd /proc && echo [0-9]*) | grep -Fxf "$files/namespaces" | sed 's/^/namespace /'
}

gone() {
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        [ -n "$(left)" ] || return 0
        sleep 0.1
    done
    return 1
}

# begin NETWORK: the runner in the background, until its daemons run; then all that it has is noted.
begin() {
    local tries daemons=0
    "$lab" run "$files/short.lua" --on "$1" >"$files/said" 2>&1 </dev/null &
    runner=$!
    for ((tries = 0; tries < 200 && daemons < 3; tries++)); do
        sleep 0.1
        family "$runner" >"$files/family"
        daemons=$(while read -r process _; do cat "/proc/$process/comm" 2>/dev/null; done <"$files/family" | grep -c warrend)
    done
    [ "$daemons" -ge 3 ] || return 1
    # shellcheck disable=SC2046 # a list of numbers
    namespaces $(cut -d' ' -f1 "$files/family") | grep -vFxf <(namespaces $$) >"$files/namespaces"
    [ -s "$files/namespaces" ]
}

check() { # NETWORK HOW SIGNAL
    local text="on $1, nothing is left of a run that $2"
    if ! begin "$1"; then
        fail "$text" "it did not start: $(cat "$files/said")"
        kill -KILL "$runner" 2>/dev/null
    else
        [ -z "$3" ] || kill "-$3" "$runner"
        wait "$runner" 2>/dev/null
        if gone; then
            pass "$text: $(wc -l <"$files/family") processes, $(wc -l <"$files/namespaces") namespaces"
        else
            fail "$text" "$(left)"
        fi
    fi
    runner=
}

for network in "${networks[@]}"; do
    reason=$("$lab" run "$files/short.lua" --on "$network" --only "none has this" 2>&1 | sed -n 's/.*# SKIP *//p' | head -n 1)
    if [ -n "$reason" ]; then
        skip "nothing is left of a run on $network" "$reason"
        continue
    fi
    check "$network" "is killed" KILL
    check "$network" "is interrupted" INT
    check "$network" "ends" ""
done
finish
