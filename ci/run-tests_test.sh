#!/usr/bin/env bash
# Holds ci/run-tests to what it must notice: a failed test, a crash, a program that stops early or tests nothing, a
# skipped test, a corpus that is missing.
set -u
cd "$(dirname "$0")/.." || exit 2
. ci/tap.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/test" "$work/fuzz"

# expect TEXT CLOSING STATUS PROGRAM SCRIPT: the closing line and status when PROGRAM, which is SCRIPT, is run.
expect() {
    local output status
    printf '#!/bin/sh\n%s\n' "$5" >"$work/$4"
    chmod +x "$work/$4"
    output=$(BUILD=$work ci/run-tests "$work/$4" 2>&1)
    status=$?
    if [ "$(tail -n 1 <<<"$output")" = "$2" ] && [ "$status" -eq "$3" ]; then
        pass "$1"
    else
        fail "$1" "$output"
    fi
}

expect "two tests that pass" "2 passed, 0 failed, 0 skipped" 0 test/a_test 'echo 1..2; echo ok 1 - x; echo ok 2 - y'
expect "a failed test" "1 passed, 1 failed, 0 skipped" 1 test/a_test 'echo 1..2; echo ok 1; echo not ok 2; exit 1'
expect "a skipped test" "1 passed, 0 failed, 1 skipped" 0 test/a_test \
    'echo 1..2; echo "ok 1 - x # SKIP no tool"; echo ok 2'
expect "a skipped test of cmocka" "1 passed, 0 failed, 1 skipped" 0 test/a_test \
    'echo 1..2; echo ok 1 - x; echo "not ok 2 # SKIP y"'
expect "a crash after a test that passed" "1 passed, 1 failed, 0 skipped" 1 test/a_test 'echo 1..2; echo ok 1; kill -9 $$'
expect "an exit status that no test explains" "1 passed, 1 failed, 0 skipped" 1 test/a_test 'echo 1..1; echo ok 1; exit 3'
expect "an early end that claims success" "1 passed, 1 failed, 0 skipped" 1 test/a_test 'echo 1..2; echo ok 1'
expect "a program without tests" "0 passed, 1 failed, 0 skipped" 1 test/a_test 'true'
expect "two groups in one program" "2 passed, 0 failed, 0 skipped" 0 test/a_test 'echo 1..1; echo ok 1; echo 1..1; echo ok 1'
expect "a harness without a corpus" "0 passed, 1 failed, 0 skipped" 1 fuzz/no_such_harness 'true'

# Programs run side by side; each is judged once, in the order in which they are named, also where that is not the order
# in which they end.
for n in 1 2 3 4 5; do
    printf '#!/bin/sh\nsleep 0.%d\necho 1..%d\nfor i in $(seq %d); do echo "ok $i"; done\n' $((6 - n)) "$n" "$n" >"$work/test/b${n}_test"
    chmod +x "$work/test/b${n}_test"
done
printf '#!/bin/sh\necho 1..1\necho not ok 1 - x\nexit 1\n' >"$work/test/b3_test"
output=$(BUILD=$work JOBS=3 ci/run-tests "$work"/test/b?_test 2>&1)
wanted='ok    b1_test  1 tests
ok    b2_test  2 tests
FAIL  b3_test  0 tests, 1 failed (exit status 1)
      1..1
      not ok 1 - x
ok    b4_test  4 tests
ok    b5_test  5 tests
12 passed, 1 failed, 0 skipped'
if [ "$output" = "$wanted" ]; then pass "five programs side by side"; else fail "five programs side by side" "$output"; fi
finish
