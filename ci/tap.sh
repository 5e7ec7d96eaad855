# Results in the Test Anything Protocol, for the check scripts to source: pass, fail, skip, and the closing line.
# shellcheck shell=bash
tap_number=0 tap_passed=0 tap_failed=0 tap_skipped=0

pass() {
    tap_passed=$((tap_passed + 1)) tap_number=$((tap_number + 1))
    echo "ok $tap_number - $1"
}

# fail TEXT [DETAILS]: the details follow as comment lines.
fail() {
    tap_failed=$((tap_failed + 1)) tap_number=$((tap_number + 1))
    echo "not ok $tap_number - $1"
    [ -z "${2:-}" ] || sed 's/^/#   /' <<<"$2"
}

# skip TEXT REASON
skip() {
    tap_skipped=$((tap_skipped + 1)) tap_number=$((tap_number + 1))
    echo "ok $tap_number - $1 # SKIP $2"
}

# report TEXT DETAILS: passes where there are no details to report.
report() {
    if [ -z "$2" ]; then pass "$1"; else fail "$1" "$2"; fi
}

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
    else
        pass "$text"
    fi
}

# The closing line; the script's exit status says whether all is well.
finish() {
    echo "1..$tap_number"
    echo "$tap_passed passed, $tap_failed failed, $tap_skipped skipped"
    [ "$tap_failed" -eq 0 ]
    exit
}
