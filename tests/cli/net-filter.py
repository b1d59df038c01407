# SPDX-License-Identifier: Apache-2.0
"""For net-filter.sh. serve: a host of the test, which writes down whatever reaches it. attack: from inside an isle, every
option that picks an interface, a source or a way, for every address. power: what could change the network of the isle."""
import ctypes
import concurrent.futures
import errno
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import time

PORT = 8000
SO_BINDTOIFINDEX, IP_UNICAST_IF, IP_FREEBIND, IP_TRANSPARENT, IP_RECVERR = 62, 50, 15, 19, 11
IPV6_UNICAST_IF, IPV6_FREEBIND, IPV6_TRANSPARENT, IPV6_RECVERR, IPV6_2292PKTINFO, IPV6_PKTINFO = 76, 78, 75, 25, 2, 50
SOL_IP, SOL_IPV6, SO_MARK, MSG_FASTOPEN = 0, 41, 36, 0x20000000
NS_GET_USERNS = 0xb701


# --- serve NAME LOG GROUP...: answers TCP and UDP by "NAME", and logs what it got
def serve(name, log, *groups):
    poll, socks, heard = select.poll(), {}, open(log, "a", buffering=1)
    for family in socket.AF_INET, socket.AF_INET6:
        for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
            s = socket.socket(family, kind)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                s.setsockopt(SOL_IPV6, socket.IPV6_V6ONLY, 1)
            s.bind(("", PORT))
            if kind == socket.SOCK_STREAM:
                s.listen(100)
            for group in groups if kind == socket.SOCK_DGRAM else ():
                address = socket.inet_pton(family, group) if (":" in group) == (family == socket.AF_INET6) else None
                for index, _ in socket.if_nameindex() if address else ():
                    if family == socket.AF_INET:
                        s.setsockopt(SOL_IP, socket.IP_ADD_MEMBERSHIP, address + bytes(4) + struct.pack("@i", index))
                    else:
                        s.setsockopt(SOL_IPV6, socket.IPV6_JOIN_GROUP, address + struct.pack("@I", index))
            socks[s.fileno()] = s
            poll.register(s, select.POLLIN)
    listening = set(socks)  # with UDP
    if name == "HOST":  # the name server on its loopback
        for kind in socket.SOCK_DGRAM, socket.SOCK_STREAM:
            s = socket.socket(socket.AF_INET, kind)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.53", 53))
            if kind == socket.SOCK_STREAM:
                s.listen(10)
            socks[s.fileno()] = s
            listening.add(s.fileno())
            poll.register(s, select.POLLIN)
    for s in socks.values():
        s.setblocking(False)
    print("ready", file=heard)
    while True:
        for fd, _ in poll.poll():
            s = socks[fd]
            try:
                if s.type == socket.SOCK_DGRAM:
                    data, peer = s.recvfrom(2000)
                    print("udp", data.decode(), file=heard)
                    s.sendto(name.encode(), peer)
                elif fd in listening:
                    c, _ = s.accept()
                    c.settimeout(1)
                    socks[c.fileno()] = c
                    poll.register(c, select.POLLIN)
                    print("tcp accepted at", c.getsockname()[0], file=heard)
                    c.sendall(name.encode())
                else:
                    data = s.recv(2000)
                    if data:
                        print("tcp", data.decode(), file=heard)
                    else:
                        raise ConnectionError
            except OSError:
                if fd not in listening:
                    poll.unregister(fd)
                    socks.pop(fd).close()


# --- attack: rows are (name, function(socket, family, tap, address)); a function may return a function that sends
def tap_index():
    others = [index for index, name in socket.if_nameindex() if name != "lo"]
    return others[0] if others else 1


def is6(family):
    return family == socket.AF_INET6


def option(level4, name4, level6, name6, value):
    def set_it(s, family, tap, address):
        level, name = (level6, name6) if is6(family) else (level4, name4)
        if name is None:
            raise OSError(errno.ENOPROTOOPT, "no such option")
        s.setsockopt(level, name, value(tap) if callable(value) else value)
    return set_it


def device(s, family, tap, address):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, socket.if_indextoname(tap).encode() + b"\0")


def own_source(s, family, tap, address):
    device(s, family, tap, address)
    s.bind((os.environ["OWN6" if is6(family) else "OWN4"], 0))


def free_source(source4, source6):
    def bind(s, family, tap, address):
        s.setsockopt(SOL_IPV6 if is6(family) else SOL_IP, IPV6_FREEBIND if is6(family) else IP_FREEBIND, 1)
        device(s, family, tap, address)
        s.bind((source6 if is6(family) else source4, 0))
    return bind


def control(s, family, tap, address):
    if s.type != socket.SOCK_DGRAM:
        raise OSError(errno.ENOTSUP, "datagrams only")
    message = ((SOL_IPV6, IPV6_PKTINFO, bytes(16) + struct.pack("@I", tap)) if is6(family) else
               (SOL_IP, socket.IP_PKTINFO if hasattr(socket, "IP_PKTINFO") else 8, struct.pack("@i8x", tap)))
    return lambda data, to: s.sendmsg([data], [message], 0, to)


def source_route(s, family, tap, address):
    """Loose source route: by way of an address outside to the closed one; the kernel sends to the first."""
    if is6(family):  # a type 2 header, then one of type 4
        end = socket.inet_pton(family, address)
        for kind in struct.pack("BBBB4x", 0, 2, 2, 1) + end, struct.pack("BBBBBBH", 0, 2, 4, 0, 0, 0, 0) + end:
            try:
                s.setsockopt(SOL_IPV6, 57, kind)
                return
            except OSError as e:
                last = e
        raise last
    s.setsockopt(SOL_IP, socket.IP_OPTIONS, bytes([131, 11, 4]) + socket.inet_aton(address) +
                 socket.inet_aton("192.168.77.1") + bytes(1))
    device(s, family, tap, address)


def fast_open(s, family, tap, address):
    if s.type != socket.SOCK_STREAM:
        raise OSError(errno.ENOTSUP, "streams only")
    device(s, family, tap, address)
    return lambda data, to: s.sendto(data, MSG_FASTOPEN, to)


ways = {
    "plain": lambda *_: None,
    "SO_BINDTODEVICE": device,
    "SO_BINDTOIFINDEX": option(1, SO_BINDTOIFINDEX, 1, SO_BINDTOIFINDEX, lambda tap: tap),
    "UNICAST_IF": option(SOL_IP, IP_UNICAST_IF, SOL_IPV6, IPV6_UNICAST_IF, lambda tap: struct.pack("!I", tap)),
    "MULTICAST_IF": option(SOL_IP, socket.IP_MULTICAST_IF, SOL_IPV6, socket.IPV6_MULTICAST_IF,
                           lambda tap: struct.pack("@4x4xi", tap)),
    "MULTICAST_IF6": option(SOL_IP, None, SOL_IPV6, socket.IPV6_MULTICAST_IF, lambda tap: tap),
    "PKTINFO": control,
    "sticky PKTINFO": option(SOL_IP, None, SOL_IPV6, IPV6_PKTINFO, lambda tap: bytes(16) + struct.pack("@I", tap)),
    "2292PKTINFO": option(SOL_IP, None, SOL_IPV6, IPV6_2292PKTINFO, lambda tap: bytes(16) + struct.pack("@I", tap)),
    "SO_DONTROUTE": option(1, socket.SO_DONTROUTE, 1, socket.SO_DONTROUTE, 1),
    "SO_MARK": option(1, SO_MARK, 1, SO_MARK, 1),
    "TRANSPARENT": option(SOL_IP, IP_TRANSPARENT, SOL_IPV6, IPV6_TRANSPARENT, 1),
    "RECVERR": option(SOL_IP, IP_RECVERR, SOL_IPV6, IPV6_RECVERR, 1),
    "NEXTHOP": option(SOL_IP, None, SOL_IPV6, 9, lambda tap: struct.pack("@HH", 10, 0) + bytes(4) +
                      socket.inet_pton(10, "fd77::1") + struct.pack("@I", tap)),
    "own source": own_source,
    "FREEBIND": free_source("198.51.100.77", "2001:db8::77"),
    "FREEBIND of the host's": free_source("10.99.1.1", "fd99::1"),
    "FREEBIND of loopback": free_source("127.0.0.9", "::1"),
    "source route": source_route,
    "FASTOPEN": fast_open,
}
strange = "FREEBIND", "FREEBIND of the host's", "FREEBIND of loopback", "source route"
kinds = {
    "tcp": (socket.SOCK_STREAM, 0), "udp": (socket.SOCK_DGRAM, 0), "udplite": (socket.SOCK_DGRAM, 136),
    "mptcp": (socket.SOCK_STREAM, 262), "sctp": (socket.SOCK_STREAM, 132), "dccp": (6, 33),
    "raw": (socket.SOCK_RAW, 255), "raw udp": (socket.SOCK_RAW, 17),
}


def echo(family, tap, address, way):
    """A ping, where ping sockets are open: who answers? The isle itself has a loopback and the main address."""
    if way not in ("plain", "SO_BINDTODEVICE", "PKTINFO") or address in (os.environ["OWN4"], os.environ["OWN6"], "0.0.0.0"):
        return
    if way == "plain" and (address.startswith("127.") or address == "::1"):
        return
    with socket.socket(family, socket.SOCK_DGRAM, 58 if is6(family) else 1) as s:
        s.settimeout(0.1)
        send = ways[way](s, family, tap, address) or s.sendto
        send(bytes([128 if is6(family) else 8, 0, 0, 0, 0, 0, 0, 1]), (address, 0, 0, tap) if is6(family) else (address, 0))
        s.recv(100)
    print("ANSWERED echo", address, way)


def attempt(kind, family, tap, address, way, scope):
    """Returns the errno; None: it went out, which the server's log judges."""
    token = f"{address} {kind} {way} {scope}".encode()
    to = (address, PORT, 0, tap if scope else 0) if is6(family) else (address, PORT)
    with socket.socket(family, *kinds[kind]) as s:
        # The refusal of what has a foreign source goes to that source.
        s.settimeout(0.02 if way in strange else 5)
        if s.type == socket.SOCK_DGRAM:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        send = ways[way](s, family, tap, address)
        if send:
            send(token, to)
        elif s.type == socket.SOCK_DGRAM:
            s.sendto(token, to)
            s.connect(to)
            s.send(token)
        else:
            s.connect(to)
            s.sendall(token)
            print("CONNECTED", token.decode())


def attack_one(tap, address):
    """All ways to one address: how many were tried, and those that took too long."""
    tried, slow = 0, []
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for way in os.environ["WAYS"].split(",") if os.environ.get("WAYS") else ways:
        rows = [(kind, scope) for kind in (kinds if way in ("plain", "SO_BINDTODEVICE") else ("tcp", "udp"))
                for scope in ((False, True) if is6(family) else (False,))]
        for kind, scope in rows:
            tried += 1
            try:
                attempt(kind, family, tap, address, way, scope)
            except socket.timeout:
                if way in strange:
                    continue
                slow.append(f"{address} {kind} {way}")
            except OSError:
                pass
        try:
            echo(family, tap, address, way)
        except OSError:
            pass
    return tried, slow


def attack(*addresses):
    tap = tap_index()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:  # most of the time is spent waiting
        done = list(pool.map(lambda address: attack_one(tap, address), addresses))
    print("tried" if sum(tried for tried, _ in done) > 8 * len(addresses) else "too few")
    for _, slow in done:
        for row in slow:
            print("SLOW", row)


# --- ask WAY ADDRESS...: who answers, by TCP
def ask(way, *addresses):
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as s:
            s.settimeout(30)
            try:
                ways[way](s, family, tap_index(), address)
                s.connect((address, PORT))
                print(address, s.recv(100).decode(), flush=True)
            except OSError as e:
                print(address, errno.errorcode.get(e.errno, "timeout"), flush=True)


# --- names SERVER: what a name server's address is good for: udp and tcp to its port and to another
def names(server):
    for kind in socket.SOCK_DGRAM, socket.SOCK_STREAM:
        for port in 53, 54:
            with socket.socket(socket.AF_INET, kind) as s:
                s.settimeout(1)
                try:
                    s.connect((server, port))
                    s.send(b"?")
                    print(port, s.recv(100).decode())
                except OSError:
                    print(port, "no")


# --- late ADDRESS: an address that becomes the host's during the run, and then no more. Waits for a line at each step.
def late(address):
    standing = socket.create_connection((address, PORT), 30)
    print("before", standing.recv(100).decode(), flush=True)
    sys.stdin.readline()
    try:
        for _ in range(50):
            standing.sendall(b"standing")
            time.sleep(0.02)
        print("stands", flush=True)
    except OSError:
        print("ended", flush=True)
    ask("plain", address)
    ask("SO_BINDTODEVICE", address)
    sys.stdin.readline()
    ask("plain", address)


# --- power: prints what should not have worked
def call(what, function):
    try:
        function()
        print("WORKED", what)
    except OSError:
        pass


def enter_owner(fd):
    owner = fcntl.ioctl(fd, NS_GET_USERNS)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(owner, 0x10000000) < 0 and libc.setns(fd, 0x40000000) < 0:
        raise OSError(ctypes.get_errno(), "setns")


def flush_rules():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as s:
        s.settimeout(2)
        s.bind((0, 0))
        nfgen = struct.pack("!BBH", 0, 0, 10)
        parts = [(0x10, 1, nfgen), ((10 << 8) | 2, 5, struct.pack("!BBH", 1, 0, 0)), (0x11, 1, nfgen)]
        s.send(b"".join(struct.pack("@IHHII", 16 + len(body), kind, flags, n, 0) + body
                        for n, (kind, flags, body) in enumerate(parts)))
        code = struct.unpack_from("@i", s.recv(4096), 16)[0]
        if code < 0:
            raise OSError(-code, "nf_tables")


def commands():
    link = "isle-test-0"
    yield "nft flush ruleset"
    yield "nft delete table inet isle"
    yield "iptables -F"
    for command in ("route del unreachable 169.254.0.0/24", "route add 10.99.1.1/32 dev lo", "addr add 10.1.2.3/32 dev lo",
                    "link set lo down", f"link add {link} type dummy", f"tuntap add {link} mode tun", "rule add pref 1 lookup 7",
                    f"link set {socket.if_indextoname(tap_index())} name {link}"):
        yield "ip " + command
    # in new namespaces, as with --nest: power there, none here
    yield "unshare -Ur nft flush ruleset"
    yield "unshare -Ur ip addr add 10.1.2.3/32 dev lo"
    yield f"unshare -Urn ip link add {link} type veth peer name isle-test-1 netns {os.getpid()}"
    yield (f"unshare -Urn sh -c 'ip link add {link} type veth peer name isle-test-1 && "
           f"ip link set {link} netns {os.getpid()}'")
    yield f"unshare -Urn sh -c 'nsenter --net=/proc/{os.getpid()}/ns/net ip addr add 10.1.2.3/32 dev lo'"
    yield f"unshare -Urn sh -c 'nsenter --net=/proc/{os.getpid()}/ns/net nft flush ruleset'"


def power():
    fd = os.open("/proc/self/ns/net", os.O_RDONLY)
    call("setns", lambda: enter_owner(fd))
    call("nf_tables", flush_rules)
    call("packet socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
    call("packet datagrams", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM))
    call("tun", lambda: os.open("/dev/net/tun", os.O_RDWR))
    for family in socket.AF_INET, socket.AF_INET6:
        for protocol in 255, 1, 17, 58:
            call(f"raw socket {family} {protocol}", lambda: socket.socket(family, socket.SOCK_RAW, protocol))
    call("xfrm", lambda: socket.socket().setsockopt(SOL_IP, 17, bytes(168)))
    for command in commands():
        if subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0:
            print("WORKED", command)
    print("done")


globals()[sys.argv[1]](*sys.argv[2:])
