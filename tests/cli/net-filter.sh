#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# No socket of an isle reaches the host itself, link-local, multicast or metadata addresses, whatever option picks its way,
# and what may be reached is. On a host made of namespaces, in which every address is the test's own.
# time-limit: 400
. "$(dirname "$0")/../lib.sh"
need ip nsenter python3 pasta nft
[ -c /dev/net/tun ] || skip "no /dev/net/tun"

host=isle-test-$$-host outside=isle-test-$$-out
for name in "$host" "$outside"; do
	ip netns add "$name" || skip "no network namespaces"
	at_end "ip netns del $name"
	ip -n "$name" link set lo up
done
# HOST: two addresses towards OUTSIDE, a second interface, prefixes that are local as a whole.
ip link add isle-a netns "$host" type veth peer name isle-b netns "$outside"
ip -n "$host" -batch - <<'END'
addr add 192.168.77.2/24 dev isle-a
addr add 192.168.77.3/24 dev isle-a
addr add fd77::2/64 dev isle-a nodad
link add isle-d type veth peer name isle-e
addr add 10.99.1.1/24 brd 10.99.1.255 dev isle-d
addr add fd99::1/64 dev isle-d nodad
link set isle-a up
link set isle-d up
link set isle-e up
route add local 10.98.0.0/16 dev lo
route add local fd98::/64 dev lo
route add default via 192.168.77.1
route add default via fd77::1
route add local default dev lo table 4711
END
# OUTSIDE: the rest of the world, cloud metadata, a translator.
ip -n "$outside" -batch - <<'END'
addr add 192.168.77.1/24 dev isle-b
addr add fd77::1/64 dev isle-b nodad
link set isle-b up
route add 198.51.100.77/32 via 192.168.77.2
route add local 198.51.100.0/26 dev lo
route add local 169.254.0.0/16 dev lo
route add local 100.100.100.200/32 dev lo
route add local 10.97.0.0/24 dev lo
route add local 64:ff9b::/32 dev lo
route add local 2002::/16 dev lo
route add local 2001::/32 dev lo
route add local fec0::/10 dev lo
route add local fd00:ec2::/64 dev lo
END
wait_for 10 sh -c "! ip -n $host addr show tentative | grep -q inet6"
host_fe80=$(ip -n "$host" -o -6 addr show dev isle-a scope link | sed 's/.*inet6 \([^/]*\).*/\1/')
outside_fe80=$(ip -n "$outside" -o -6 addr show dev isle-b scope link | sed 's/.*inet6 \([^/]*\).*/\1/')

reached="192.168.77.1 198.51.100.1 10.97.0.1 fd77::1 64:ff9b::c633:6401 64:ff9b:1::c633:6401 64:ff9b:1:c633:64:100:: 2002:c633:6401::1"
closed="127.0.0.1 127.0.0.53 127.1.2.3 0.0.0.0 192.168.77.2 192.168.77.3 10.99.1.1 10.98.7.7 169.254.169.254 169.254.1.1
	100.100.100.200 224.0.0.251 224.0.0.1 239.255.255.250 255.255.255.255 192.168.77.255 10.99.1.255 240.0.0.1
	::1 fd77::2 fd99::1 fd98::7 fd98:: $host_fe80 $outside_fe80 ff02::fb ff02::1 ff05::2 fec0::1 fd00:ec2::254 2001:0:c633:6401::1
	::ffff:127.0.0.1 ::ffff:10.99.1.1 ::ffff:192.168.77.3 ::ffff:169.254.169.254 ::127.0.0.1
	64:ff9b::7f00:1 64:ff9b::a63:101 64:ff9b::a9fe:a9fe 64:ff9b:1::a63:101 64:ff9b:1:5::a63:101 64:ff9b:1:a63:1:100:: 64:ff9b:1:770a:63:101::
	64:ff9b:1:77:a:6301:100:0 2002:a63:101::1 2002:7f00:1::1 2002:a62:707::1"
closed=$(tr -s ' \t\n' '   ' <<<"$closed")

cp "$(dirname "$0")/net-filter.py" "$T/net.py"
chmod 755 "$T" "$T/net.py"
for name in HOST OUTSIDE; do
	netns=$host
	[ $name = HOST ] || netns=$outside
	: >"$T/$name.log"
	ip netns exec "$netns" python3 "$T/net.py" serve $name "$T/$name.log" 224.0.0.251 239.255.255.250 ff02::fb ff05::2 \
		</dev/null >/dev/null 2>"$T/$name.err" &
	at_end "kill $! 2>/dev/null; wait $! 2>/dev/null"
	wait_for 10 grep -qx ready "$T/$name.log"
done

export -f as_user skip fail
export OWN4=192.168.77.2 OWN6=fd77::2
in_host() {
	nsenter --net="/run/netns/$host" "$@"
}
# settle: until the servers have written down what they got
settle() {
	local size=-1
	while [ "$size" != "$(stat -c %s "$T/HOST.log" "$T/OUTSIDE.log" | xargs)" ]; do
		size=$(stat -c %s "$T/HOST.log" "$T/OUTSIDE.log" | xargs)
		sleep 0.5
	done
}
forget() {
	settle
	: >"$T/HOST.log"
	: >"$T/OUTSIDE.log"
}
# by_user COMMAND...: in_host, as the ordinary user
by_user() {
	# shellcheck disable=SC2016
	in_host bash -c 'as_user env OWN4=$OWN4 OWN6=$OWN6 WAYS=${WAYS:-} "$@"' _ "$@"
}

# The test of the test: without an isle the addresses answer.
forget
WAYS=plain in_host python3 "$T/net.py" attack 127.0.0.1 10.98.7.7 224.0.0.251 fd98::7 ff02::fb 169.254.169.254 \
	64:ff9b:1:a63:1:100:: 2002:7f00:1::1 >/dev/null
settle
has "$(cat "$T/HOST.log")" "udp 127.0.0.1 udp" "tcp 10.98.7.7 tcp" "udp 224.0.0.251 udp" "tcp fd98::7 tcp" "udp ff02::fb udp"
has "$(cat "$T/OUTSIDE.log")" "tcp 169.254.169.254 tcp" "tcp 64:ff9b:1:a63:1:100:: tcp" "udp 2002:7f00:1::1 udp"

# reaches_nothing WHO ISLE-OPTION...
reaches_nothing() {
	local who=$1 address got want=""
	shift
	forget
	# shellcheck disable=SC2086
	got=$($who "$ISLE" run -q --discard "$@" -- python3 "$T/net.py" attack $closed 2>"$T/err") || fail "$(cat "$T/err")"
	settle
	same "$(head -n 20 <<<"$got")" "tried" "attack $who $*"
	same "$(cat "$T/HOST.log" "$T/OUTSIDE.log")" "" "reached by $who $*"
	same "$(cat "$T/err")" "" "what is said on stderr"
}
reaches_all() {
	local who=$1 address got want="" way
	shift
	for address in $reached; do want+="$address OUTSIDE"$'\n'; done
	for way in plain SO_BINDTODEVICE UNICAST_IF; do
		# shellcheck disable=SC2086
		got=$($who "$ISLE" run -q --discard "$@" -- python3 "$T/net.py" ask $way $reached)
		same "$got"$'\n' "$want" "ask $way $who $*"
	done
}
has_no_power() {
	local who=$1
	shift
	same "$($who "$ISLE" run -q --discard "$@" -- python3 "$T/net.py" power)" "done" "power $who $*"
}

# line_is WANT: the next line of the coprocess, which then goes on.
line_is() {
	local line want
	for want; do
		IFS= read -r -t 60 -u "${RUN[0]}" line || fail "no line, instead of '$want'; $(cat "$T/err")"
		same "$line" "$want"
	done
}
# An address that the host gets during the run is closed, also to a connection that stands; one that it loses is open.
follows() {
	local who=$1 pid
	shift
	coproc RUN { $who "$ISLE" run -q --discard "$@" -- python3 -u "$T/net.py" late 10.97.0.1 2>"$T/err"; }
	pid=$RUN_PID
	line_is "before OUTSIDE"
	forget
	ip -n "$host" addr add 10.97.0.1/32 dev isle-d
	sleep 3
	echo >&"${RUN[1]}"
	line_is ended "10.97.0.1 ECONNREFUSED" "10.97.0.1 ECONNREFUSED"
	ip -n "$host" addr del 10.97.0.1/32 dev isle-d
	sleep 3
	echo >&"${RUN[1]}"
	line_is "10.97.0.1 OUTSIDE"
	same "$(cat "$T/HOST.log")" "" "an address of later"
	wait "$pid"
}
# When the filter cannot follow there is no network, which is said.
fails_closed() {
	mkfifo "$T/go"
	# shellcheck disable=SC2016
	in_host unshare -m bash -c '
		"$ISLE" run --discard -- python3 -u "$0/net.py" late 10.97.0.1 <"$0/go" >"$0/out" 2>"$0/err" &
		exec 3>"$0/go"
		until grep -q before "$0/out"; do sleep 0.1; done
		mount --bind /dev/null "$(readlink -f "$(command -v nft)")"
		ip addr add 10.97.0.1/32 dev isle-d
		sleep 3
		printf "\n\n" >&3
		wait' "$T"
	same "$(cat "$T/out")" "before OUTSIDE
stands
10.97.0.1 ENETUNREACH
10.97.0.1 timeout
10.97.0.1 ENETUNREACH"
	has "$(cat "$T/err")" "the network inside was ended: this machine's addresses changed"
	ip -n "$host" addr del 10.97.0.1/32 dev isle-d
}

# A run that joins an isle finds its network, and the filter.
joins() {
	local who=$1
	same "$($who "$ISLE" run -q --keep -n joined --linger 60 -- python3 "$T/net.py" ask plain 192.168.77.1)" "192.168.77.1 OUTSIDE"
	WAYS=$few reaches_nothing "$who" -n joined
	same "$($who "$ISLE" run -q --discard -n joined -- python3 "$T/net.py" ask plain 192.168.77.1)" "192.168.77.1 OUTSIDE"
	has_no_power "$who" -n joined
}

# Of the address where pasta answers name queries, the port of name queries is open.
resolves() {
	local got
	printf 'nameserver 127.0.0.53\n' >"$T/resolv.conf"
	forget
	# shellcheck disable=SC2016
	got=$(in_host unshare -m bash -c 'mount --bind "$0" /etc/resolv.conf; exec "$@"' "$T/resolv.conf" "$@" "$ISLE" run -q \
		--discard -- python3 "$T/net.py" names 169.254.1.1)
	[[ $got == "53 HOST
54 no
53 "*"
54 no" ]] || fail "names: $got"
	same "$(cat "$T/OUTSIDE.log")" ""
}

few=plain,SO_BINDTODEVICE,UNICAST_IF,PKTINFO,MULTICAST_IF
users=in_host
[ -z "${ISLE_TEST_USER:-}" ] || users+=" by_user"
for who in $users; do
	reaches_nothing "$who"
	for mode in --no-track --nest "--nest --no-track"; do
		# shellcheck disable=SC2086
		WAYS=$few reaches_nothing "$who" $mode
	done
	for mode in "" --no-track --nest; do
		# shellcheck disable=SC2086
		has_no_power "$who" $mode
	done
	reaches_all "$who"
	reaches_all "$who" --no-track
	follows "$who"
	joins "$who"
	forget
	# shellcheck disable=SC2086
	WAYS=$few $who "$ISLE" run -q --discard --net none -- python3 "$T/net.py" attack $closed >/dev/null
	same "$(cat "$T/HOST.log" "$T/OUTSIDE.log")" "" "reached with --net none"
done
fails_closed
resolves
if [ -n "${ISLE_TEST_USER:-}" ]; then
	# shellcheck disable=SC2016
	resolves bash -c 'as_user "$@"' _
fi
