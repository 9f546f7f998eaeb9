#!/usr/bin/python3
"""A flood of IKE_SA_INITs from addresses that are not the sender's: the daemon's memory stays within a bound, and an
honest peer gets through while it goes on. PAVISE_FULL=1: 100,000 of them."""
import ctypes
import os
import random
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import SANITIZED, main, wait_until
from sites import BOB, Sites

FULL = bool(os.environ.get("PAVISE_FULL"))
MESSAGES = 100000 if FULL else 12000
# Cookies are asked for from 30 half-open IKE SAs on, and nothing is kept for who does not bring one back.
MEMORY_MAX = 4 << 20
RATE = 4000 if FULL else 1500  # a second; the short flood has to last as long as a lost message is repeated
SEED = 20261122
CLONE_NEWNET = 0x40000000


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def payload(following, body):
    return struct.pack("!BBH", following, 0, 4 + len(body)) + body


def sa_init(rng):
    """An IKE_SA_INIT that the daemon would answer: AES-256-GCM, PRF SHA-256, X25519, everything in order."""
    transforms = [struct.pack("!BBHBBH", 3, 0, 12, 1, 0, 20) + struct.pack("!HH", 0x800e, 256),
                  struct.pack("!BBHBBH", 3, 0, 8, 2, 0, 5), struct.pack("!BBHBBH", 0, 0, 8, 4, 0, 31)]
    proposal = struct.pack("!BBHBBBB", 0, 0, 8 + sum(map(len, transforms)), 1, 1, 0, 3) + b"".join(transforms)
    body = (payload(34, proposal) + payload(40, struct.pack("!HH", 31, 0) + rng.randbytes(32))
            + payload(0, rng.randbytes(32)))
    return struct.pack("!8s8sBBBBII", rng.randbytes(8), bytes(8), 33, 0x20, 34, 0x08, 0, 28 + len(body)) + body


def packet(rng, target):
    """... in UDP in IP, from anywhere."""
    ike = sa_init(rng)
    udp = struct.pack("!HHHH", 500, 500, 8 + len(ike), 0) + ike  # no checksum: IPv4 need not have one
    source = bytes((10, rng.randrange(100, 200), rng.randrange(256), rng.randrange(1, 255)))
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), rng.randrange(65536), 0, 64, 17, 0, source, target)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp


class Flood(threading.Thread):
    """Sends from a host's namespace, at most `rate` a second."""

    def __init__(self, host, target, count, rate):
        super().__init__(daemon=True)
        self.host, self.target, self.count, self.rate, self.sent, self.wanted = host, target, count, rate, 0, True

    def run(self):
        with open(f"/run/netns/{self.host.ns}", "rb") as ns:
            if ctypes.CDLL(None, use_errno=True).setns(ns.fileno(), CLONE_NEWNET):  # of this thread alone
                raise OSError(ctypes.get_errno(), "setns")
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        rng, begin = random.Random(SEED), time.monotonic()
        while self.sent < self.count and self.wanted:
            raw.sendto(packet(rng, self.target), (socket.inet_ntoa(self.target), 0))
            self.sent += 1
            if self.sent % 50 == 0:
                time.sleep(max(0, self.sent / self.rate - (time.monotonic() - begin)))
        raw.close()


def memory(process):
    with open(f"/proc/{process.pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))


def received(host):
    """UDP datagrams that this host's sockets have taken."""
    with open(f"/proc/{host}/net/snmp", encoding="ascii") as file:
        return int([line for line in file if line.startswith("Udp:")][1].split()[1])


def test(lab, tap):
    site = Sites(lab).start(inner=(4,), remote_any=True)
    for host in (site.cafe, site.sun, site.moon):  # the flood's addresses are nobody's: answers go nowhere
        host.sysctl(net__ipv4__conf__all__rp_filter=0, net__ipv4__conf__default__rp_filter=0,
                    net__ipv4__conf__eth0__rp_filter=0)
    site.cafe("ip route add blackhole 10.64.0.0/10")
    daemon = site.iked[site.sun]
    before, heard = memory(daemon), received(daemon.pid)
    flood = Flood(site.cafe, socket.inet_aton("198.51.100.1"), MESSAGES, RATE)
    flood.start()
    tap.check("the flood is under way", wait_until(lambda: flood.sent > MESSAGES // 20, 10))
    begin = time.monotonic()
    site.up()
    took = time.monotonic() - begin
    tap.check("an honest peer gets through while it goes on", flood.is_alive() and flood.sent < MESSAGES,
              f"{flood.sent} sent after {took:.1f} s")
    tap.equal("... and its traffic, too", site.alice.ping(BOB[4], 5), 5)
    most = memory(daemon)
    while flood.is_alive():
        most = max(most, memory(daemon))
        time.sleep(0.2)
    most = max(most, memory(daemon))
    arrived = received(daemon.pid) - heard
    tap.check(f"{MESSAGES} were sent, and most of them arrived", flood.sent == MESSAGES and arrived > MESSAGES // 2,
              f"{flood.sent} sent, {arrived} arrived")
    tap.note(f"{arrived} arrived; memory {before >> 10} kB before, {most >> 10} kB at most; up in {took:.2f} s")
    if SANITIZED:
        tap.skip("memory does not grow", "a build with sanitizers keeps what was freed")
    else:
        tap.check(f"memory grew by less than {MEMORY_MAX >> 20} MB", most - before < MEMORY_MAX, f"{most - before} bytes")
    tap.check("the daemon asked for cookies", "cookie" in site.iked[site.moon].output().lower(),
              site.iked[site.moon].output()[-1500:])
    tap.equal("the tunnel works on", site.alice.ping(BOB[4], 5), 5)


if __name__ == "__main__":
    main(test, "a flood of IKE_SA_INITs")
