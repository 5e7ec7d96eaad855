#!/usr/bin/env bash
# warren from the outside: exit codes and what it says of wrong command lines.
set -u
cd "$(dirname "$0")/.." || exit 2
# shellcheck source=ci/tap.sh
. ci/tap.sh
warren=${BUILD:-build}/warren
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# check TEXT WANTED_STATUS WANTED_PATTERN COMMAND...: the pattern is looked for in all that the command says.
check() {
    local text=$1 wanted=$2 pattern=$3 said status
    shift 3
    said=$("$@" 2>&1 </dev/null)
    status=$?
    if [ "$status" -ne "$wanted" ]; then
        fail "$text" "exit status $status, not $wanted: $said"
    elif ! grep -qE -- "$pattern" <<<"$said"; then
        fail "$text" "said nothing like /$pattern/: $said"
    elif [ "$wanted" -eq 2 ] && [ "$(wc -l <<<"$said")" -ne 1 ]; then
        fail "$text" "said more than one line: $said"
    else
        pass "$text"
    fi
}

check "no command" 2 "^warren: no command; 'warren help' lists" "$warren"
check "a command that there is not" 2 "^warren: there is no command 'frobnicate'; 'warren help' lists" "$warren" frobnicate
check "a command that is misspelt" 2 "^warren: there is no command 'staus'; did you mean 'warren status'\?$" "$warren" staus
check "help of a command that is misspelt" 2 "did you mean 'warren ping'\?$" "$warren" help pnig
check "an option before the command" 2 "^warren: there is no command '--json'" "$warren" --json status
check "help" 0 '^  warren netcheck ' "$warren" help
check "--help" 0 '^  warren keygen ' "$warren" --help
check "--version" 0 '^warren [0-9]' "$warren" --version
for command in status ping netcheck log version keygen root certify enroll show; do
    check "$command --help" 0 "^  warren $command( |\$)" "$warren" "$command" --help
    check "help $command" 0 "^  warren $command( |\$)" "$warren" help "$command"
done
for command in status ping netcheck log version; do
    check "$command with an option that there is not" 2 "^warren $command: there is no option --frob; usage: warren $command " \
        "$warren" "$command" --frob
done
for command in keygen root certify enroll show; do
    check "$command with an option that there is not" 2 "^warren $command: .*option.*; usage: warren $command " "$warren" "$command" --frob
done
for command in keygen root show certify enroll; do
    check "$command without arguments" 2 "^warren $command: .*; usage: warren $command " "$warren" "$command"
done
check "an option without its value" 2 'needs a value; usage: warren status' "$warren" status --control
check "ping without a peer" 2 'no peer is named; usage: warren ping PEER' "$warren" ping
for command in status netcheck log version "ping bob"; do
    # shellcheck disable=SC2086 # a list of words
    check "$command without a daemon" 1 "^warren: warrend does not run here: nothing listens at $tmp/none; start it" \
        "$warren" $command --control "$tmp/none"
done
check "a name that no socket can have" 1 'is too long' "$warren" status --control "/$(printf 'x%.0s' {1..200})"
: >"$tmp/file"
check "a file that is no socket" 1 '^warren: warrend does not run here' "$warren" status --control "$tmp/file"
if [ -e /dev/full ]; then
    # shellcheck disable=SC2016 # the inner shell expands
    check "a disk that is full" 1 'cannot write to standard output' sh -c '"$1" help >/dev/full' _ "$warren"
fi
if command -v setpriv >/dev/null && [ "$(id -u)" -eq 0 ]; then
    chmod 711 "$tmp"
    mkdir -m 700 "$tmp/private"
    cp "$warren" "$tmp/warren"
    check "a caller who may not" 1 "^warren: you may not speak to warrend at .*; only root and the group" \
        setpriv --reuid 65534 --regid 65534 --clear-groups "$tmp/warren" status --control "$tmp/private/control"
else
    skip "a caller who may not" "only root can become somebody else"
fi

if ! command -v man >/dev/null; then
    skip "the manual" "man is not installed"
else
    report "the manual formats" "$(man --warnings -E UTF-8 -l -Tutf8 -Z docs/man/warren.1 2>&1 >/dev/null)"
fi

# The completion: complete WORD... prints what it offers for the last word.
complete_words() {
    bash -c '. packaging/warren.bash-completion && COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) && COMPREPLY=() &&
        _warren && printf "%s\n" "${COMPREPLY[@]}"' _ "$@" 2>&1
}
completes() { # TEXT WANTED WORD...
    local text=$1 wanted=$2 offered
    shift 2
    offered=$(complete_words "$@" | tr '\n' ' ')
    if [ "${offered% }" = "$wanted" ]; then pass "$text"; else fail "$text" "offered '$offered', not '$wanted'"; fi
}
completes "a command is completed" "netcheck" warren ne
completes "the options of a command are completed" "--until-direct" warren ping --u
completes "what is no command offers nothing" "" warren xyz
cat >"$tmp/warren" <<'FAKE'
#!/bin/sh
[ "$*" = "status --json --control /s" ] && echo '{"ok":true,"peers":[{"name":"bob","x":"}"},{"name":null},{"name":"bea"}]}'
FAKE
chmod +x "$tmp/warren"
completes "peers are completed by what the daemon names" "bob bea" "$tmp/warren" ping --control /s b
finish
