#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The network of an isle, on a host made of namespaces: the outside is reached, the host itself and cloud metadata are not.
# time-limit: 180
. "$(dirname "$0")/../lib.sh"
need ip nsenter python3 pasta
[ -c /dev/net/tun ] || skip "no /dev/net/tun"

# HOST has 192.168.77.2 towards OUTSIDE (.1, and cloud metadata behind it), a second interface, and services everywhere.
host=isle-test-$$-host outside=isle-test-$$-out
for name in "$host" "$outside"; do
	ip netns add "$name" || skip "no network namespaces"
	at_end "ip netns del $name"
	ip -n "$name" link set lo up
done
ip link add isle-a netns "$host" type veth peer name isle-b netns "$outside"
ip -n "$host" addr add 192.168.77.2/24 dev isle-a
ip -n "$host" addr add fd77::2/64 dev isle-a nodad
ip -n "$outside" addr add 192.168.77.1/24 dev isle-b
ip -n "$outside" addr add fd77::1/64 dev isle-b nodad
ip -n "$outside" addr add 169.254.169.254/32 dev lo
ip -n "$host" link set isle-a up
ip -n "$outside" link set isle-b up
ip -n "$host" route add default via 192.168.77.1
ip -n "$host" route add default via fd77::1
ip -n "$host" addr add 10.99.1.1/32 dev lo
ip -n "$host" addr add fd99::1/128 dev lo

cat >"$T/serve.py" <<'END'
import socket, sys, threading
def serve(family, name):
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(("", 8000))
    s.listen()
    open(sys.argv[2] + str(family.value), "w").close()
    while True:
        c, _ = s.accept()
        c.sendall(name.encode())
        c.close()
def answer(name):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.53", 53))
    while True:
        _, peer = s.recvfrom(1000)
        s.sendto(name.encode(), peer)
for f in socket.AF_INET, socket.AF_INET6:
    threading.Thread(target=serve, args=(f, sys.argv[1]), daemon=True).start()
threading.Thread(target=answer, args=(sys.argv[1],), daemon=True).start()
threading.Event().wait(170)
END
cat >"$T/ask.py" <<'END'
import socket, sys
for address in sys.argv[1:]:
    udp = address.endswith("/53")
    host = address.removesuffix("/53")
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
    s.settimeout(3)
    try:
        s.connect((host, 53 if udp else 8000))
        if udp:
            s.send(b"?")
        print(address, s.recv(100).decode())
    except OSError as e:
        print(address, "no")
END
chmod 755 "$T" "$T"/*.py
for name in HOST OUTSIDE; do
	netns=$host
	[ $name = HOST ] || netns=$outside
	ip netns exec "$netns" python3 "$T/serve.py" $name "$T/$name" </dev/null >/dev/null 2>&1 &
	at_end "kill $! 2>/dev/null; wait $! 2>/dev/null"
done
for file in HOST2 HOST10 OUTSIDE2 OUTSIDE10; do
	wait_for 10 test -e "$T/$file"
done

export -f as_user skip fail
in_host() {
	nsenter --net="/run/netns/$host" "$@"
}
# the test of the test: without an isle all of it answers
reached="192.168.77.1 fd77::1"
closed="127.0.0.1 ::1 192.168.77.2 fd77::2 10.99.1.1 fd99::1 169.254.169.254 ::ffff:127.0.0.1"
# shellcheck disable=SC2086
got=$(in_host python3 "$T/ask.py" $reached $closed)
hasnt "$got" " no"

check() {
	local want="" address got
	for address in $reached; do want+="$address OUTSIDE"$'\n'; done
	for address in $closed; do want+="$address no"$'\n'; done
	# shellcheck disable=SC2086
	got=$("$@" python3 "$T/ask.py" $reached $closed 2>"$T/err") || fail "$(cat "$T/err")"
	same "$got"$'\n' "$want" "$*"
	same "$(cat "$T/err")" "" "what is said on stderr"
}

no_pasta_left() {
	! ps -eo stat,args | grep -F "isle-test" | grep -q '^[^Z].*pasta --quiet'
}

check in_host "$ISLE" run -q --discard --
# The network can be asked of several runs at once, and the pipe of a run ends with it.
same "$(in_host "$ISLE" run -q --discard -- sh -c "for i in 1 2 3; do python3 $T/ask.py 192.168.77.1 & done; wait" | sort | uniq -c |
	tr -s ' ')" " 3 192.168.77.1 OUTSIDE"

# Root of the isle can open low ports, and has no power over the way out.
cat >"$T/power.py" <<'END'
import socket, subprocess
socket.socket().bind(("", 80))
for make in (lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW), lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 255)):
    try:
        make()
        print("raw socket")
    except PermissionError:
        pass
for command in "route del unreachable 10.99.1.1", "addr add 10.1.2.3/32 dev lo", "link set lo down":
    if subprocess.run(["ip", *command.split()], stderr=subprocess.DEVNULL).returncode == 0:
        print(command)
END
same "$(in_host "$ISLE" run -q --discard -- python3 "$T/power.py")" ""

# Without a way out: a loopback of its own and nothing else.
same "$(in_host "$ISLE" run -q --discard --net none -- python3 "$T/ask.py" 192.168.77.1 127.0.0.1)" "192.168.77.1 no
127.0.0.1 no"
# What of that the walls refused is on record, and how much went through the network.
cat >"$T/told.py" <<'END'
import json, sys
d = json.load(sys.stdin)
for r in d["refused"]:
    print(r["what"], r["error"], r["wall"])
print(all(100 < d["runs"][0][way] < 100000 for way in ("received", "sent")))
END
# shellcheck disable=SC2086
in_host "$ISLE" run -q --keep -n told -- python3 "$T/ask.py" $reached $closed >/dev/null
same "$("$ISLE" trace --json told | python3 "$T/told.py")" "connect 127.0.0.1 port 8000 ECONNREFUSED network
connect ::1 port 8000 ECONNREFUSED network
connect 169.254.169.254 port 8000 EHOSTUNREACH network
connect ::ffff:127.0.0.1 port 8000 ECONNREFUSED network
True"

# The host's network: all of it.
same "$(in_host "$ISLE" run -q --discard --net host -- python3 "$T/ask.py" 192.168.77.1 127.0.0.1)" "192.168.77.1 OUTSIDE
127.0.0.1 HOST"

# A name server on the host's loopback answers where pasta forwards to it, and resolv.conf inside says so.
printf 'search example.org\nnameserver 127.0.0.53\noptions edns0\n' >"$T/resolv.conf"
# shellcheck disable=SC2016
same "$(in_host unshare -m sh -c 'mount --bind "$0" /etc/resolv.conf; exec "$@"' "$T/resolv.conf" "$ISLE" run -q --discard -- \
	sh -c "cat /etc/resolv.conf; python3 $T/ask.py 169.254.1.1/53 127.0.0.53/53")" "search example.org
nameserver 169.254.1.1
options edns0
169.254.1.1/53 HOST
127.0.0.53/53 no"

# A host without a route, or without pasta: said once, and the run goes on.
ip netns add "$host-2"
at_end "ip netns del $host-2"
nsenter --net="/run/netns/$host-2" "$ISLE" run --discard -- python3 "$T/ask.py" 192.168.77.1 192.168.77.1 >"$T/out" 2>"$T/err"
same "$(cat "$T/out")" "192.168.77.1 no
192.168.77.1 no"
same "$(grep -c "no network inside" "$T/err")" 1

# As an ordinary user.
if [ -n "${ISLE_TEST_USER:-}" ]; then
	chmod 755 "$T"
	check in_host bash -c 'as_user "$@"' _ "$ISLE" run -q --discard --
fi
wait_for 5 no_pasta_left
