#!/usr/bin/python3
"""What stands in the outer header: DF, TTL, identification, DSCP, ECN, flow label, as Linux's own XFRM sets them;
and what the inner header says after its way: the sixteen cases of RFC 6040, and DSCP."""
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire
from lab import main, wait_until
from transport_test import GCM_KEY, HOST, INNER, plain_hosts

SEND = """
import socket, sys
packet = bytes.fromhex(sys.argv[1])
v6 = packet[0] >> 4 == 6
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW, 255)
s.sendto(packet, (sys.argv[2], 0))
"""
HEAR = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(0, socket.IP_RECVTOS, 1)
s.bind(('', 7777))
print('up', flush=True)
while True:
    d, a, _, _ = s.recvmsg(100, 100)
    print(d.decode(), a[0][2][0] if a else 0, flush=True)
"""


def inner(family, src, dst, tos=0, ttl=37, df=True, ident=4242, label=0, payload=b"header"):
    udp = struct.pack("!HHHH", 5555, 7777, 8 + len(payload), 0) + payload
    if family == 4:
        head = struct.pack("!BBHHHBBH4s4s", 0x45, tos, 20 + len(udp), ident, 0x4000 if df else 0, ttl, 17, 0,
                           socket.inet_aton(src), socket.inet_aton(dst))
        return head[:10] + struct.pack("!H", wire.checksum(head)) + head[12:] + udp
    ends = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
    total = wire.checksum(ends + struct.pack("!HH", 17, len(udp)) + udp)
    udp = udp[:6] + struct.pack("!H", total) + udp[8:]
    return struct.pack("!IHBB", 6 << 28 | tos << 20 | label, len(udp), 17, ttl) + ends + udp


def fields(packet):
    """Of the outer header, in words."""
    if packet[0] >> 4 == 4:
        return {"tos": packet[1], "ttl": packet[8], "df": packet[6] >> 6 & 1, "id": struct.unpack_from("!H", packet, 4)[0]}
    word = struct.unpack_from("!I", packet)[0]
    return {"tos": word >> 20 & 0xff, "ttl": packet[7], "label": word & 0xfffff}


# name, mode, outer family, inner family, UDP, flags of the SA, inner header, what the outer one must say
TUNNEL, TRANSPORT, BEET = "tunnel", "transport", "beet"
CASES = [
    ("DF is copied", TUNNEL, 4, 4, False, "", {"df": True}, {"df": 1, "ttl": 64}),
    ("no DF is copied, too", TUNNEL, 4, 4, False, "", {"df": False}, {"df": 0, "ttl": 64}),
    ("nopmtudisc: never DF", TUNNEL, 4, 4, False, "flag nopmtudisc", {"df": True}, {"df": 0}),
    ("IPv6 inside means DF", TUNNEL, 4, 6, False, "", {}, {"df": 1}),
    ("DSCP and ECN are copied", TUNNEL, 4, 4, False, "", {"tos": 0xba}, {"tos": 0xba}),
    ("CE is copied (RFC 6040 normal mode; the kernel says ECT(0))", TUNNEL, 4, 4, False, "", {"tos": 3}, {"tos": 3}),
    ("noecn: DSCP alone", TUNNEL, 4, 4, False, "flag noecn", {"tos": 0xba}, {"tos": 0xb8}),
    ("dont-encap-dscp: ECN alone", TUNNEL, 4, 4, False, "extra-flag dont-encap-dscp", {"tos": 0xba}, {"tos": 2}),
    ("IPv6 in IPv6: class and flow label", TUNNEL, 6, 6, False, "", {"tos": 0xba, "label": 0xabcde},
     {"tos": 0xba, "label": 0xabcde, "ttl": 64}),
    ("IPv4 in IPv6: class, no flow label", TUNNEL, 6, 4, False, "", {"tos": 0xba}, {"tos": 0xba, "label": 0}),
    ("transport: all of it stays", TRANSPORT, 4, 4, False, "", {"tos": 0x28, "ttl": 37, "df": False, "ident": 777},
     {"tos": 0x28, "ttl": 37, "df": 0, "id": 777}),
    ("transport: DF stays", TRANSPORT, 4, 4, False, "", {"df": True, "ttl": 255}, {"df": 1, "ttl": 255}),
    ("transport over IPv6: hop limit and flow label stay", TRANSPORT, 6, 6, False, "",
     {"tos": 0x28, "ttl": 37, "label": 0x12345}, {"tos": 0x28, "ttl": 37, "label": 0x12345}),
    ("BEET: all of it stays", BEET, 4, 4, False, "", {"tos": 0x28, "ttl": 37, "df": False, "ident": 777},
     {"tos": 0x28, "ttl": 37, "df": 0, "id": 777}),
    ("in UDP: DF", TUNNEL, 4, 4, True, "", {"df": True, "tos": 0xba}, {"df": 1, "tos": 0xba}),
    ("in UDP: no DF", TUNNEL, 4, 4, True, "", {"df": False}, {"df": 0}),
    ("in UDP over IPv6: class and flow label", TUNNEL, 6, 6, True, "", {"tos": 0xba, "label": 0xabcde},
     {"tos": 0xba, "label": 0xabcde}),
    ("transport in UDP: TTL and DF", TRANSPORT, 4, 4, True, "", {"ttl": 37, "df": False, "tos": 0x28},
     {"ttl": 37, "df": 0, "tos": 0x28}),
    ("transport in UDP over IPv6: hop limit and flow label", TRANSPORT, 6, 6, True, "", {"ttl": 37, "label": 0x12345},
     {"ttl": 37, "label": 0x12345}),
]


def xfrm(host, command):
    done = host.ip_xfrm("xfrm " + command)
    if done.returncode:
        raise RuntimeError(f"{host.name}: ip xfrm {command}: {done.stdout}{done.stderr}")


def ends_of(mode, outer, inside):
    return HOST[outer] if mode == TRANSPORT else INNER[inside]


def setup(hosts, mode, outer, inside, udp, flags):
    ends = ends_of(mode, outer, inside)
    sel = f"sel src {ends[0]} dst {ends[1]}" if mode == BEET else ""
    if mode == TUNNEL:
        flags = flags.replace("flag ", "flag af-unspec ", 1) if flags.startswith("flag") else "flag af-unspec " + flags
    encap = "encap espinudp 4500 4500 0.0.0.0" if udp else ""
    for side, host in enumerate(hosts):
        xfrm(host, f"state add src {HOST[outer][0]} dst {HOST[outer][1]} proto esp spi 0x1001 reqid 1 mode {mode}"
                   f" aead rfc4106(gcm(aes)) 0x{GCM_KEY} 128 replay-window 32 {flags} {encap} {sel}")
        xfrm(host, f"policy add src {ends[0]} dst {ends[1]} dir {'in' if side else 'out'}"
                   f" tmpl src {HOST[outer][0]} dst {HOST[outer][1]} proto esp reqid 1 mode {mode}")
    return ends


def flush(hosts):
    for host in hosts:
        xfrm(host, "state flush")
        xfrm(host, "policy flush")


def outer_header(hosts, case, tap):
    name, mode, outer, inside, udp, flags, says, want = case
    ends = setup(hosts, mode, outer, inside, udp, flags)
    ear = wire.listen(hosts[1], "eth0", "esp")
    hosts[0](["/usr/bin/python3", "-c", SEND, inner(inside, *ends, **says).hex(), ends[1]])
    packet = ear.packet()
    got = fields(packet) if packet else {}
    tap.equal(f"{name} ({mode}, IPv{inside} over IPv{outer})", {k: got.get(k) for k in want}, want)
    flush(hosts)


# RFC 6040 figure 4: rows the inner field, columns the outer one. None: dropped.
NOT, ECT1, ECT0, CE = 0, 1, 2, 3
DECAP = {NOT: {NOT: NOT, ECT0: NOT, ECT1: NOT, CE: None}, ECT0: {NOT: ECT0, ECT0: ECT0, ECT1: ECT1, CE: CE},
         ECT1: {NOT: ECT1, ECT0: ECT1, ECT1: ECT1, CE: CE}, CE: {NOT: CE, ECT0: CE, ECT1: CE, CE: CE}}
MARK = """table inet way {{
    chain pre {{
        type filter hook prerouting priority -300
        ip protocol esp ip ecn set {ecn}
        ip protocol esp ip dscp set {dscp}
    }}
}}"""
NAME = {NOT: "not-ect", ECT0: "ect0", ECT1: "ect1", CE: "ce"}


def arrivals(hosts, ends, ear, sent):
    """Sends a packet of each TOS; what TOS each arrived with."""
    before = len(ear.output().split("\n"))
    for tos in sent:
        hosts[0](["/usr/bin/python3", "-c", SEND, inner(4, *ends, tos=tos, payload=str(tos).encode()).hex(), ends[1]])
    time.sleep(0.3)
    lines = ear.output().split("\n")[before - 1:]
    got = dict(tuple(map(int, line.split())) for line in lines if line)
    return {tos: got.get(tos) for tos in sent}


def after_its_way(hosts, tap):
    ear = hosts[1].start(["/usr/bin/python3", "-c", HEAR], "hear")
    wait_until(lambda: "up" in ear.output(), 5)
    for flags in ("", "flag decap-dscp", "flag noecn"):
        ends = setup(hosts, TUNNEL, 4, 4, False, flags)
        for outer in (NOT, ECT0, ECT1, CE) if not flags else (CE,):
            hosts[1].nft(MARK.format(ecn=NAME[outer], dscp=10))
            got = arrivals(hosts, ends, ear, [0xb8 | i for i in (NOT, ECT0, ECT1, CE)])
            want = {0xb8 | i: DECAP[i][outer] for i in (NOT, ECT0, ECT1, CE)}
            if flags == "flag noecn":
                want = {tos: tos & 3 for tos in want}
            dscp = 10 << 2 if flags == "flag decap-dscp" else 0xb8
            want = {tos: None if ecn is None else dscp | ecn for tos, ecn in want.items()}
            tap.equal(f"outer ECN {NAME[outer]}{', ' + flags if flags else ''}: the inner byte after its way", got, want)
            hosts[1]("nft delete table inet way")
        flush(hosts)
    tap.equal("marks that an inner packet cannot bear are dropped under their word", hosts[1].xfrm_stat()["ecn"], 2)
    ear.stop()


def test(lab, tap):
    hosts = plain_hosts(lab)
    for family in (4, 6):
        hosts[0].ping(HOST[family][1], 1)
    for case in CASES:
        outer_header(hosts, case, tap)
    after_its_way(hosts, tap)


if __name__ == "__main__":
    main(test, "outer headers")
