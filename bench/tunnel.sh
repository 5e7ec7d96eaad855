#!/usr/bin/env bash
# How much the tunnel carries: TCP and UDP between two network namespaces through two warrend, beside the bare cable and
# two wireguard-go on the same cable in the same run, and beside what two of its parts do alone (bench/tunnel_ceiling.c).
#
#     this shell's namespace, 198.18.0.1 ---- veth ---- 198.18.0.2, the other one
#
# `make bench T=tunnel` runs a copy of this in $(BUILD)/bench. It needs root, or a system that lets users make namespaces.
# Everything happens in a process namespace of its own: neither processes nor interfaces outlive it. What can be set:
#   SECONDS_EACH  of each measurement; default 4
#   ROUNDS        of them all in turn, of which the best counts; default 2
#   KEEP          a folder for logs and configuration, which hold secrets; else they are removed
#   HOLD          when set, it sets everything up, says how to enter, and waits: for profilers
set -u
build=$(cd "$(dirname "$0")/.." && pwd)
warren=$build/warren
warrend=$build/warrend
ceiling=$build/bench/tunnel_ceiling
seconds=${SECONDS_EACH:-4}
rounds=${ROUNDS:-2}

if [ -z "${BENCH_NAMESPACE:-}" ]; then
    for flags in -nmpf -Urnmpf; do
        if unshare "$flags" --kill-child --mount-proc true 2>/dev/null; then
            BENCH_NAMESPACE=yes exec unshare "$flags" --kill-child --mount-proc "$0" "$@"
        fi
    done
fi

# What cannot be measured here is no failure.
skip() {
    echo "skipped: $1"
    exit 0
}

[ -n "${BENCH_NAMESPACE:-}" ] || skip "neither root nor this system lets namespaces be made"
for program in ip iperf3 jq nsenter wg wireguard-go; do
    command -v "$program" >/dev/null || skip "$program is not installed"
done
if ! [ -r /dev/net/tun ] || ! [ -w /dev/net/tun ]; then
    skip "/dev/net/tun is not there, or not for this user"
fi
for program in "$warren" "$warrend" "$ceiling"; do
    [ -x "$program" ] || { echo "$program is not built: make all bench" >&2; exit 1; }
done

files=$(mktemp -d)
chmod 711 "$files"
clean_up() {
    local status=$?
    trap - EXIT
    [ -z "${KEEP:-}" ] || { mkdir -p "$KEEP" && cp -r "$files"/. "$KEEP"; }
    rm -rf "$files"
    exit "$status" # and with this shell, which is the first of its process namespace, everything ends
}
trap clean_up EXIT
trap 'exit 130' INT TERM

fail() {
    echo "bench/tunnel.sh: $1" >&2
    tail -n 5 "$files"/*.log >&2
    exit 1
}

# ---- The cable -------------------------------------------------------------------------------------------------------

mount -t tmpfs none /run 2>/dev/null # of our own: wireguard-go has its sockets there
unshare -n sleep infinity &
holder=$!

# on SIDE COMMAND...: 1 is here, 2 is there.
on() {
    if [ "$1" = 1 ]; then "${@:2}"; else nsenter -t "$holder" -n "${@:2}"; fi
}

# start SIDE NAME COMMAND...: in the background; $started is its process.
start() {
    if [ "$1" = 1 ]; then
        "${@:3}" >>"$files/$2.log" 2>&1 </dev/null &
    else
        nsenter -t "$holder" -n "${@:3}" >>"$files/$2.log" 2>&1 </dev/null &
    fi
    started=$!
}

# wait_for COMMAND...: at most ten seconds.
wait_for() {
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        if "$@"; then return 0; fi
        sleep 0.1
    done
    return 1
}

elsewhere() {
    [ "$(readlink "/proc/$holder/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

lay_cable() {
    wait_for elsewhere || return 1
    ip link set lo up
    on 2 ip link set lo up
    ip link add cable type veth peer name cable netns "$holder" || return 1
    for side in 1 2; do
        on $side ip addr add 198.18.0.$side/30 dev cable && on $side ip link set cable up || return 1
    done
}
lay_cable >"$files/cable.log" 2>&1 || skip "the network cannot be made: $(tail -n 1 "$files/cable.log")"

# ---- The tunnels -----------------------------------------------------------------------------------------------------

# All of them are there all the time; those that carry nothing cost nothing. The inner addresses of side N:
#   wireguard-go 10.65.0.N, warrend 10.66.0.N
mtu=1400

wireguard_go() {
    local side
    umask 077
    for side in 1 2; do
        wg genkey >"$files/wg$side.key"
    done
    for side in 1 2; do
        start $side "wg$side" env LOG_LEVEL=error wireguard-go -f "wg$side"
        daemons[wireguard-go]+=" $started"
        interface_is_there() { on "$side" wg show "wg$side" >/dev/null 2>&1; }
        wait_for interface_is_there || return 1
        on $side wg set "wg$side" listen-port 51820 private-key "$files/wg$side.key" \
            peer "$(wg pubkey <"$files/wg$((3 - side)).key")" allowed-ips 10.65.0.$((3 - side))/32 \
            endpoint 198.18.0.$((3 - side)):51820 || return 1
        on $side ip addr add 10.65.0.$side/24 dev "wg$side" && on $side ip link set "wg$side" mtu $mtu up || return 1
    done
}

# A mesh of two servers, each of which has the other as a stock peer.
warrend() {
    local side said root key=() user=
    [ "$(awk '{ print $3 }' /proc/self/uid_map)" != 1 ] || user="user = root"
    said=$("$warren" root "$files/mesh.root") || return 1
    root=$(grep -oE '[A-Za-z0-9+/]{43}=' <<<"$said" | head -n 1)
    for side in 1 2; do
        said=$("$warren" keygen "$files/warren$side.identity") || return 1
        mapfile -t said < <(grep -oE '[A-Za-z0-9+/]{43}=' <<<"$said")
        key[side]=${said[1]}
        "$warren" certify --root "$files/mesh.root" --name "warren$side" --identity "${said[0]}" --key "${said[1]}" \
            -o "$files/warren$side.certificate" >/dev/null || return 1
        mkdir -m 777 "$files/warren$side.state"
    done
    for side in 1 2; do
        cat >"$files/warren$side.conf" <<CONF
[warren]
role = server
root = $root
identity = $files/warren$side.identity
certificate = $files/warren$side.certificate
interface = warren$side
address = 10.66.0.$side/24
mtu = $mtu
listen = 198.18.0.$side
control = $files/warren$side.control
state-dir = $files/warren$side.state
$user

[peer "other"]
key = ${key[3 - side]}
subnets = 10.66.0.$((3 - side))/32
endpoint = 198.18.0.$((3 - side)):51940
CONF
        start $side "warren$side" "$warrend" --config "$files/warren$side.conf"
        daemons[warrend]+=" $started"
        daemon_answers() { "$warren" version --control "$files/warren$side.control" >/dev/null 2>&1; }
        wait_for daemon_answers || return 1
    done
}

declare -A daemons=([wireguard-go]="" [warrend]="") at=([cable]=198.18.0.2 [wireguard-go]=10.65.0.2 [warrend]=10.66.0.2)
wireguard_go >>"$files/wireguard-go.log" 2>&1 || fail "wireguard-go does not start"
warrend >>"$files/warrend.log" 2>&1 || fail "warrend does not start"
start 2 iperf3 iperf3 --server --forceflush
for way in cable wireguard-go warrend; do
    reaches() { ping -q -c 1 -W 1 "${at[$way]}" >/dev/null 2>&1; }
    wait_for reaches || fail "nothing comes through: $way"
done

if [ -n "${HOLD:-}" ]; then
    echo "processes, as seen from within:${daemons[warrend]} (warrend) ${daemons[wireguard-go]} (wireguard-go) $holder (the other side)"
    echo "logs and configuration: $files; end of this file or a signal ends it"
    read -r
    exit 0
fi

# ---- Measuring -------------------------------------------------------------------------------------------------------

ticks=$(getconf CLK_TCK)

# spent WAY: processor time of its daemons so far, in ticks.
spent() {
    local process sum=0 fields
    for process in ${daemons[$1]:-}; do
        fields=$(sed 's/^.*) //' "/proc/$process/stat")
        # shellcheck disable=SC2086 # a list of numbers
        set -- $fields
        sum=$((sum + ${12} + ${13}))
    done
    echo "$sum"
}

declare -A best=() lost=() cost=()

# measure WAY KIND IPERF_ARGUMENT...: what arrives, in Mbit/s, and what it took of the daemons.
measure() {
    local way=$1 kind=$2 said before rate bytes process
    for process in ${daemons[$way]:-}; do
        kill -0 "$process" 2>/dev/null || fail "$way has ended"
    done
    before=$(spent "$way")
    said=$(iperf3 --json --connect-timeout 3000 --client "${at[$way]}" --time "$seconds" "${@:3}" 2>>"$files/client.log")
    rate=$(jq '(.end.sum_received // .end.sum).bits_per_second / 1e6 | floor' <<<"$said" 2>/dev/null)
    bytes=$(jq '(.end.sum_received // .end.sum).bytes' <<<"$said" 2>/dev/null)
    if ! [[ ${rate:-null} =~ ^[0-9]+$ ]]; then
        echo "$way, $kind: $(jq -r '.error // "no result"' <<<"$said")" >&2
        return
    fi
    echo "  $way $kind: $rate Mbit/s" >>"$files/rounds.log"
    [ "$rate" -gt "${best[$way.$kind]:-0}" ] || return
    best[$way.$kind]=$rate
    lost[$way.$kind]=$(jq '.end.sum.lost_percent // empty' <<<"$said")
    cost[$way.$kind]=$(awk -v t=$(($(spent "$way") - before)) -v hz="$ticks" -v b="$bytes" 'BEGIN { if (b > 0) printf "%.2f", t / hz / (b / 1e9) }')
}

for ((round = 0; round < rounds; round++)); do
    for way in cable wireguard-go warrend; do
        measure $way tcp
        measure $way udp --udp --bitrate 0 --length 1372
    done
done

declare -A alone=()
alone[seal]=$("$ceiling" seal) || fail "the ceiling of sealing cannot be measured"
start 2 ceiling "$ceiling" receive 198.18.0.2 9 "$((seconds + 1))"
receiver=$started
sleep 0.3
"$ceiling" send 198.18.0.2 9 "$seconds" >>"$files/ceiling.log" 2>&1
wait "$receiver" || fail "the ceiling of UDP cannot be measured"
alone[udp]=$(sed -n 's/^received //p' "$files/ceiling.log")

# ---- The table -------------------------------------------------------------------------------------------------------

ratio() {
    awk -v a="${1:-0}" -v b="${2:-0}" 'BEGIN { if (b > 0) printf "%.2f", a / b; else print "-" }'
}

printf '%-14s %12s %9s %12s %9s %9s %12s\n' "" "TCP Mbit/s" "CPU s/GB" "UDP Mbit/s" "lost %" "CPU s/GB" "TCP ratio"
for way in cable wireguard-go warrend; do
    [ -n "${daemons[$way]:-}" ] || cost[$way.tcp]=- cost[$way.udp]=-
    printf '%-14s %12s %9s %12s %9.2f %9s %12s\n' "$way" "${best[$way.tcp]:--}" "${cost[$way.tcp]:--}" "${best[$way.udp]:--}" \
        "${lost[$way.udp]:-0}" "${cost[$way.udp]:--}" "$(ratio "${best[$way.tcp]:-}" "${best[wireguard-go.tcp]:-}")"
done
echo
printf '%-58s %12s %12s\n' "alone" "Mbit/s" "warrend's"
printf '%-58s %12s %12s\n' "libcrypto, 1420 bytes sealed and opened, on one core" "${alone[seal]}" "$(ratio "${best[warrend.tcp]:-}" "${alone[seal]}")" \
    "UDP with GSO and GRO on the same cable" "${alone[udp]}" "$(ratio "${best[warrend.tcp]:-}" "${alone[udp]}")"
cat <<END

The best of $rounds rounds of $seconds s each, in turn, on $(nproc) cores, which senders, receivers and both daemons share. MTU $mtu
inside. CPU is of both daemons, for a gigabyte that arrived. TCP ratio is to wireguard-go; warrend's is its TCP to that line.
END
