#!/usr/bin/python3
"""ip_xfrm_messages - records a kernel's own NETLINK_XFRM messages: dumps, answers, events.

    ip_xfrm_messages.py FILE    as root, inside a kernel with ESP (and nothing else going on)

FILE becomes test/vectors/netlink/linux-6.1.bin: messages one after the other, as they came.
"""
import socket
import struct
import subprocess
import sys
import time

from ip_xfrm import AB, AB6, CBC, GCM, NETS, TMPL, TUNNEL, key, sa

NEWSA, GETSA, GETPOLICY, GETAE, GETSADINFO, GETSPDINFO = 0x10, 0x12, 0x15, 0x1f, 0x23, 0x25
REQUEST, DUMP, DONE = 1, 0x300, 3
UDP_IN = "src 10.9.0.0/16 dst 10.10.0.0/16 proto udp sport 1 dport 2 dir in mark 0x3 mask 0xff if_id 0x4"

STATES = [
    sa(0x100, f"reqid 7 seq 0x15 replay-window 32 replay-seq 0x10 replay-oseq 0x20 {GCM}"),
    sa(0x101, f"{CBC} replay-window 1024 flag esn replay-seq 0x5 replay-seq-hi 0x1 replay-oseq 0x9 replay-oseq-hi 0x2"
              " mark 0x5 mask 0xff output-mark 0x7 mask 0xf if_id 0x9 encap espinudp 4500 40000 0.0.0.0"
              " extra-flag dont-encap-dscp"),
    sa(0x102, f"{GCM} sel src 10.1.0.1/32 dst 10.2.0.1/32 proto tcp sport 80 dport 443 limit byte-soft 1000"
              " limit byte-hard 2000 limit packet-soft 30 limit packet-hard 40 limit time-soft 1000 limit time-hard 2000"
              " limit time-use-soft 300 limit time-use-hard 400", AB6),
    sa(0x103, f"flag af-unspec enc aes {key(1, 16)} auth sha1 {key(2, 20)}"),
    sa(0x104, f"{GCM} extra-flag oseq-may-wrap flag noecn sel src 10.0.0.0/8 dst 11.0.0.0/8 dev lo", AB6),
    sa(0x105, f"aead 'rfc7539esp(chacha20,poly1305)' {key(5, 36)} 128 replay-window 4096 flag esn"),
    sa(0x106, f"{GCM} limit time-soft 1 limit time-hard 3 mark 0x2 mask 0xf if_id 0x7"),
    f"xfrm state add {AB} proto comp spi 0x107 reqid 8 mode tunnel flag af-unspec comp deflate",
    f"xfrm state add {AB6} proto comp spi 0x108 mode tunnel comp deflate sel src fd00:1::/64 dst fd00:2::/64",
    f"xfrm state add {AB} proto comp spi 0x109 mode transport comp deflate",
    f"xfrm state allocspi {AB} {TUNNEL} reqid 5 min 0x1000 max 0x1000",
]
POLICIES = [
    f"xfrm policy add {NETS} dir out limit time-soft 1 limit time-hard 2 {TMPL} reqid 1",
    f"xfrm policy add {UDP_IN} priority 5 {TMPL} level use",
    "xfrm policy add src 2001:db8:1::/48 dst 2001:db8:2::/48 dev lo dir fwd index 26 action block flag localok"
    " flag icmp ptype sub",
    f"xfrm policy add src 2001:db8:1::/48 dst 2001:db8:3::/48 dir out tmpl {AB6} proto ah mode transport"
    f" tmpl {AB6} proto esp spi 0x5 mode tunnel reqid 3",
]
CHANGES = [
    sa(0x100, GCM, verb="update"),
    f"xfrm state delete {AB} proto esp spi 0x100",
    f"xfrm state delete {AB} proto esp spi 0x101 mark 0x5",
    f"xfrm state delete {AB} proto comp spi 0x107",
    "xfrm policy delete index 26 dir fwd ptype sub",
    f"xfrm policy update {UDP_IN} priority 9 {TMPL}",
    f"xfrm policy delete {UDP_IN}",
]
ACQUIRE = [  # a packet to 203.0.113.5 then needs an SA
    "link add d0 type veth peer name d1", "link set d0 up", "link set d1 up", "addr add 192.0.2.1/24 dev d0",
    "route add 203.0.113.0/24 via 192.0.2.9 dev d0",
    f"xfrm policy add src 0.0.0.0/0 dst 203.0.113.0/24 dir out {TMPL} reqid 44",
]


def ip(*commands):
    for command in commands:
        subprocess.run("ip " + command, shell=True, stdout=subprocess.DEVNULL, check=False)


class Xfrm:
    def __init__(self, groups=0):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 6)
        self.socket.bind((0, groups))

    def ask(self, kind, body=b"", flags=REQUEST):
        self.socket.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 7, 0) + body)
        return self.socket.recv(65536)

    def dump(self, kind):
        data = self.ask(kind, flags=REQUEST | DUMP)
        while True:
            size, is_a = struct.unpack("=IH", data[:6])
            if is_a == DONE:
                return
            yield data[:size]
            data = data[(size + 3) & ~3:] or self.socket.recv(65536)

    def heard(self):
        self.socket.setblocking(False)
        try:
            while True:
                yield self.socket.recv(65536)
        except BlockingIOError:
            pass


def replay_state(spi):
    """GETAE of an SA of AB with mark 5."""
    ends = [socket.inet_aton(a) + bytes(12) for a in ("198.51.100.1", "192.0.2.1")]
    mark = struct.pack("=HHII", 12, 21, 5, 255)
    return ends[0] + struct.pack("!I", spi) + struct.pack("=HBx", 2, 50) + ends[1] + struct.pack("=II", 15, 0) + mark


def main(path):
    events, requests, messages = Xfrm(0xff), Xfrm(), []
    ip("link set lo up", *STATES, *POLICIES)
    messages += list(requests.dump(GETSA)) + list(requests.dump(GETPOLICY))
    time.sleep(4.5)  # soft and hard limits pass
    ip(*CHANGES, *ACQUIRE)
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("203.0.113.5", 9))
    ip(sa(0x300, f"{CBC} mark 0x5 mask 0xff if_id 0x9 replay-window 64 flag esn"))
    messages.append(requests.ask(GETAE, replay_state(0x300)))
    messages.append(requests.ask(GETSADINFO, bytes(4)))
    messages.append(requests.ask(GETSPDINFO, bytes(4)))
    ip("xfrm state flush", "xfrm policy flush")
    time.sleep(0.5)
    messages += events.heard()
    with open(path, "wb") as file:
        file.write(b"".join(messages))
    print(f"{len(messages)} messages")


if __name__ == "__main__":
    main(sys.argv[1])
