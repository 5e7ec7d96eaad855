# Instances of warrend in network namespaces, some behind Linux's own NATs, for scripts to source. It changes to the
# root of the project.
# shellcheck shell=bash
#
#            a 10.1.0.2                                            w1 198.18.1.2
#               |                                                     |
#   na 10.1.0.1 | 203.0.113.2 ----+                        +----------+
#                                 |       the router       |
#                                 +---- (this shell's) ----+------ s1 198.51.100.1 and .2
#                                 |                        |
#   nb 10.2.0.1 | 192.0.2.2   ----+                        +----------+
#               |                                                     |
#            b 10.2.0.2                                            w2 198.18.2.2
#
# It needs root, or a system that lets users make namespaces. The script runs in a process namespace of its own, so that
# nothing of it outlives it: neither processes nor, with them, namespaces, interfaces and rules. What can be set:
#   BUILD            the folder of warrend and warren; default build
#   UNDER            what starts every warrend, as in UNDER="valgrind -q --error-exitcode=99"; all times are then longer
#   WARREND_OPTIONS  more options for it; sanitizers need --no-confine
#   KEEP             a folder for logs, configuration, tapes and captures, which hold secrets; else they are removed
# shellcheck disable=SC2034 # some variables are for the scripts alone
cd "$(dirname "$0")/.." || exit 2

if [ -z "${INTEROP_NAMESPACE:-}" ]; then
    for flags in -nmpf -Urnmpf; do
        if unshare "$flags" --kill-child --mount-proc true 2>/dev/null; then
            INTEROP_NAMESPACE=yes exec unshare "$flags" --kill-child --mount-proc "$PWD/ci/${0##*/}" "$@"
        fi
    done
fi

# shellcheck source=ci/tap.sh
. ci/tap.sh
build=$(realpath "${BUILD:-build}")
warren=$build/warren
warrend=$build/warrend
files=$(mktemp -d)
chmod 711 "$files"
# How much longer everything may take: valgrind is slow.
patience=$([ -n "${UNDER:-}" ] && echo 10 || echo 1)
processes=()
declare -A holder=() daemon=() identity=() key=()

# Ends what this script started and nothing else. What does not end within five seconds ends with the process namespace,
# as do the namespaces that no process is in any more.
clean_up() {
    local status=$? process tries
    trap - EXIT
    for process in "${processes[@]}"; do
        kill "$process" 2>/dev/null
    done
    for ((tries = 0; tries < 50; tries++)); do
        [ -n "$(jobs -r)" ] || break
        sleep 0.1
    done
    if [ -n "${KEEP:-}" ]; then
        mkdir -p "$KEEP"
        cp -r "$files"/. "$KEEP"
    fi
    rm -rf "$files"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

have() {
    command -v "$1" >/dev/null
}

# skip_all REASON: the whole script is one skipped test.
skip_all() {
    skip "warrend in namespaces" "$1"
    finish
}

[ -n "${INTEROP_NAMESPACE:-}" ] || skip_all "neither root nor this system lets namespaces be made"
for program in ip nft nsenter ping jq; do
    have "$program" || skip_all "$program is not installed"
done
mount -t tmpfs none /run 2>/dev/null # of our own: wireguard-go has its sockets there
[ -r /dev/net/tun ] && [ -w /dev/net/tun ] || skip_all "/dev/net/tun is not there, or not for this user"
for program in "$warren" "$warrend"; do
    if [ ! -x "$program" ]; then
        fail "$program is built" "make all builds it"
        finish
    fi
done

# ---- Processes -------------------------------------------------------------------------------------------------------

# start NAME COMMAND...: in the background, with its output in a file; $started is its process.
start() {
    local name=$1
    shift
    "$@" >>"$files/$name.log" 2>&1 </dev/null &
    started=$!
    processes+=("$started")
}

# stop PROCESS: asks it to end, waits until it has, for five seconds or its patience, and then makes it; its status.
stop() {
    local kept=() process status=0 tries
    kill "$1" 2>/dev/null
    for ((tries = 0; tries < 50 * patience; tries++)); do
        kill -0 "$1" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$1" 2>/dev/null
    wait "$1" 2>/dev/null || status=$?
    for process in "${processes[@]}"; do
        [ "$process" = "$1" ] || kept+=("$process")
    done
    processes=("${kept[@]+"${kept[@]}"}")
    return "$status"
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
    local tries
    for ((tries = $1 * 10 * patience; tries > 0; tries--)); do
        if "${@:2}"; then return 0; fi
        sleep 0.1
    done
    return 1
}

# ---- The network -----------------------------------------------------------------------------------------------------

on() { # NAME COMMAND...: in the namespace of that host
    nsenter -t "${holder[$1]}" -n "${@:2}"
}

# start_on HOST NAME COMMAND...: as start, there. A function in the background would be a process between.
start_on() {
    start "$2" nsenter -t "${holder[$1]}" -n "${@:3}"
}

host() { # NAME
    local here
    here=$(readlink /proc/self/ns/net)
    unshare -n sleep infinity &
    holder[$1]=$!
    processes+=("$!")
    elsewhere() { [ "$(readlink "/proc/${holder[$1]}/ns/net")" != "$here" ]; }
    wait_for 10 elsewhere "$1" || return 1
    on "$1" ip link set lo up
}

# cable NAME DEVICE ADDRESS ROUTER_DEVICE ROUTER_ADDRESS [ROUTER]: joins a host to a router, this shell's unless named,
# which becomes its default route.
cable() {
    local name=$1 device=$2 address=$3 router_device=$4 router_address=$5
    ip link add "$router_device" type veth peer name "$device" netns "${holder[$name]}" || return 1
    on "$name" ip addr add "$address" dev "$device"
    on "$name" ip link set "$device" up
    local at=()
    if [ -n "${6:-}" ]; then
        ip link set "$router_device" netns "${holder[$6]}"
        at=(on "$6")
    fi
    "${at[@]}" ip addr add "$router_address" dev "$router_device"
    "${at[@]}" ip link set "$router_device" up
    on "$name" ip route add default via "${router_address%/*}"
}

# nat NAME port-restricted|symmetric: what the router in front of a client does, and forgets what it did.
nat() {
    local how=masquerade
    [ "$2" = port-restricted ] || how="masquerade random,fully-random"
    on "$1" nft -f - <<RULES
flush ruleset
table ip nat {
    chain post {
        type nat hook postrouting priority srcnat; policy accept;
        oifname "wan" $how
    }
}
table ip filter {
    chain in {
        type filter hook input priority filter; policy accept;
        iifname "wan" ct state established,related accept
        iifname "wan" drop
    }
}
RULES
}

# What the middle counts: datagrams straight between the two NATs, and those of either with the server.
count_in_the_middle() {
    nft -f - <<'RULES'
flush ruleset
table ip middle {
    chain blocked {
    }
    chain forward {
        type filter hook forward priority filter; policy accept;
        jump blocked
        ip saddr 203.0.113.2 ip daddr 192.0.2.2 counter comment "direct"
        ip saddr 192.0.2.2 ip daddr 203.0.113.2 counter comment "direct"
        ip saddr { 203.0.113.2, 192.0.2.2 } ip daddr { 198.51.100.1, 198.51.100.2 } counter comment "server"
    }
}
RULES
}

counted() { # COMMENT: packets
    nft -j list chain ip middle forward |
        jq "[.nftables[].rule? | select(.comment == \"$1\") | .expr[].counter? | select(.) | .packets] | add"
}

block_between_nats() {
    nft add rule ip middle blocked ip saddr 203.0.113.2 ip daddr 192.0.2.2 drop
    nft add rule ip middle blocked ip saddr 192.0.2.2 ip daddr 203.0.113.2 drop
}

ipv6=yes
lay_cables() {
    local name
    ip link set lo up
    sysctl -qw net.ipv4.ip_forward=1 || return 1
    for name in s1 na nb a b w1 w2; do
        host "$name" || return 1
    done
    cable s1 eth0 198.51.100.1/24 s1 198.51.100.254/24 || return 1
    on s1 ip addr add 198.51.100.2/24 dev eth0
    cable na wan 203.0.113.2/24 na 203.0.113.254/24
    cable nb wan 192.0.2.2/24 nb 192.0.2.254/24
    cable w1 eth0 198.18.1.2/24 w1 198.18.1.254/24
    cable w2 eth0 198.18.2.2/24 w2 198.18.2.254/24
    cable a eth0 10.1.0.2/24 lan 10.1.0.1/24 na
    cable b eth0 10.2.0.2/24 lan 10.2.0.1/24 nb
    on na sysctl -qw net.ipv4.ip_forward=1
    on nb sysctl -qw net.ipv4.ip_forward=1
    sysctl -qw net.ipv6.conf.all.forwarding=1 2>/dev/null
    for name in s1 w1 w2; do
        local net=2001:db8:${name#?}
        [ "$name" != s1 ] || net=2001:db8:5
        ip -6 addr add "$net::fe/64" dev "$name" nodad 2>/dev/null || ipv6=
        on "$name" ip -6 addr add "$net::1/64" dev eth0 nodad 2>/dev/null || ipv6=
        on "$name" ip -6 route add default via "$net::fe" 2>/dev/null || ipv6=
    done
    nat na port-restricted && nat nb port-restricted && count_in_the_middle
}

if ! lay_cables >"$files/network.log" 2>&1; then
    skip_all "the network cannot be made: $(tail -1 "$files/network.log")"
fi
if ! on a ping -q -c 1 -W 2 198.51.100.1 >>"$files/network.log" 2>&1; then
    fail "a host behind a NAT reaches the server" "$(on a ping -c 1 -W 2 198.51.100.1 2>&1)"
    finish
fi

# ---- Keys, papers, configuration -------------------------------------------------------------------------------------

# make_keys NAME: its identity file, and the public halves in identity[NAME] and key[NAME].
make_keys() {
    local said
    said=$("$warren" keygen "$files/$1.identity" 2>&1) || { echo "$said"; return 1; }
    mapfile -t said < <(grep -oE '[A-Za-z0-9+/]{43}=' <<<"$said")
    identity[$1]=${said[0]:-} key[$1]=${said[1]:-}
    [ -n "${key[$1]}" ]
}

# The lines that every configuration has. The user stays where there is only one.
configuration() { # NAME ROLE
    cat <<CONF
[warren]
role = $2
root = $root
identity = $files/$1.identity
interface = warren0
tape = $files/$1.tape
control = $files/$1.control
state-dir = $files/$1.state
log-level = debug
ring-tape = 0
CONF
    [ -z "$user" ] || echo "user = $user"
}

make_papers() {
    local said name
    said=$("$warren" root "$files/mesh.root" 2>&1) || { echo "$said"; return 1; }
    root=$(grep -oE '[A-Za-z0-9+/]{43}=' <<<"$said" | head -n 1)
    for name in s1 a b; do
        make_keys "$name" || return 1
        mkdir -m 777 "$files/$name.state"
    done
    "$warren" certify --root "$files/mesh.root" --name s1 --identity "${identity[s1]}" --key "${key[s1]}" \
        -o "$files/s1.certificate" || return 1
    local address=2
    for name in a b; do
        "$warren" enroll --issuer "$files/s1.identity" --certificate "$files/s1.certificate" --name "$name" \
            --identity "${identity[$name]}" --key "${key[$name]}" --address "10.64.0.$address" \
            -o "$files/$name.credential" || return 1
        address=$((address + 1))
    done
}

user=
[ "$(awk '{ print $3 }' /proc/self/uid_map 2>/dev/null)" != 1 ] || user=root
if ! make_papers >"$files/papers.log" 2>&1; then
    fail "warren makes keys and papers" "$(cat "$files/papers.log")"
    finish
fi
pass "warren makes keys and papers"

client_configuration() { # NAME PEER
    configuration "$1" client
    cat <<CONF
credential = $files/$1.credential

[server "s1"]
card = $files/s1.state/card

[peer "$2"]
identity = ${identity[$2]}
CONF
}
# ---- Daemons ---------------------------------------------------------------------------------------------------------

ask() { # NAME COMMAND ARGUMENT...: of the daemon there
    local name=$1
    shift
    on "$name" timeout 60 "$warren" "$@" --control "$files/$name.control"
}

answers() { # NAME
    ask "$1" version >/dev/null 2>&1
}

start_daemon() { # NAME: false where it does not answer
    # shellcheck disable=SC2086 # a list of words
    start_on "$1" "$1" ${UNDER:-} "$warrend" ${WARREND_OPTIONS:-} --config "$files/$1.conf"
    daemon[$1]=$started
    wait_for 10 answers "$1"
}

# end_daemons NAME...: tells whether each ended as it was told to, and its tape, where there is one, replays.
end_daemons() {
    local name status wrong='' said
    for name in "$@"; do
        stop "${daemon[$name]}"
        status=$?
        unset "daemon[$name]"
        [ "$status" -eq 0 ] || wrong+="$name ended with status $status: $(tail -n 5 "$files/$name.log")"$'\n'
        said=$(grep -E -m 5 'Sanitizer|runtime error|==[0-9]+== ' "$files/$name.log")
        [ -z "$said" ] || wrong+="$name: $said"$'\n'
    done
    report "warrend ends when it is told to: $*" "$wrong"
    for name in "$@"; do
        [ -e "$files/$name.tape" ] || continue
        if [ ! -x "$build/warren-lab" ]; then
            skip "  the tape of $name replays" "warren-lab is not built"
        elif said=$("$build/warren-lab" replay "$files/$name.tape" 2>&1); then
            pass "  the tape of $name replays: $(stat -c %s "$files/$name.tape") bytes"
        else
            fail "  the tape of $name replays" "$said"
        fi
    done
}

peer_is() { # NAME PEER JQ_CONDITION
    [ "$(ask "$1" status --json 2>/dev/null | jq ".peers[] | select(.name == \"$2\") | $3")" = true ]
}

# becomes TEXT SECONDS NAME PEER JQ_CONDITION
becomes() {
    if wait_for "$2" peer_is "$3" "$4" "$5"; then
        pass "$1"
    else
        fail "$1" "after $2 s: $(ask "$3" status 2>&1; tail -n 20 "$files/$3.log")"
    fi
}

relayed_by_server() {
    ask s1 status --json | jq '.counters.node.relay_forwarded // 0'
}

# pings TEXT NAME ARGUMENT...: every request is answered, by ping(8).
pings() {
    local text=$1 said
    said=$(on "$2" timeout 200 ping "${@:3}" 2>&1)
    if grep -q ' 0% packet loss' <<<"$said"; then pass "$text"; else fail "$text" "$said"; fi
}

# transfers TEXT FROM TO ADDRESS ARGUMENT...: 20 MB of TCP, by iperf3; with -R they come back instead. What is still in
# buffers when the sender is done is not counted, hence less is asked for.
transfers() {
    local said bytes
    if ! have iperf3; then
        skip "$1" "iperf3 is not installed"
        return
    fi
    : >"$files/iperf3.log"
    start_on "$3" iperf3 iperf3 --server --one-off --forceflush --bind "$4"
    iperf3_listens() { grep -q listening "$files/iperf3.log"; }
    wait_for 10 iperf3_listens
    said=$(on "$2" timeout $((30 * patience)) iperf3 --json --connect-timeout 5000 --client "$4" --bytes 20M "${@:5}" 2>&1)
    stop "$started"
    bytes=$(jq '.end.sum_received.bytes // 0' <<<"$said" 2>/dev/null)
    if [ "${bytes:-0}" -ge 15000000 ]; then
        pass "$1 ($(jq '.end.sum_received.bits_per_second / 1e6 | floor' <<<"$said") Mbit/s)"
    else
        fail "$1" "$(jq -r '.error // "\(.end.sum_received.bytes) bytes came"' <<<"$said" 2>&1)"
    fi
}

# longest_gap NAME SECONDS ADDRESS: the most milliseconds between two answers of ten a second; or nothing.
longest_gap() {
    on "$1" timeout $((${2} + 10)) ping -D -n -i 0.1 -w "$2" "$3" >"$files/gap.log" 2>&1
    sed -n 's/^\[\([0-9.]*\)\].* time=.*/\1/p' "$files/gap.log" |
        awk 'NR > 1 && $1 - last > most { most = $1 - last } { last = $1 } END { if (NR > 1) printf "%d\n", most * 1000 }'
}

# What ping fills its packets with, and how it looks in a capture.
pattern=77617272656e2d706c61696e
pattern_text="warren-plain"

capture_begin() { # NAME HOST DEVICE
    capture_process=
    have dumpcap || return
    start_on "$2" "$1" dumpcap -q -i "$3" -w "$files/$1.pcapng"
    capture_process=$started
    capture_runs() { grep -q '^File:' "$files/$1.log"; }
    wait_for 10 capture_runs "$1"
}

capture_end() { # PROCESS
    sleep 0.5 # dumpcap writes in batches
    stop "$1"
}

