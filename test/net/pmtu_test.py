#!/usr/bin/python3
"""A path that takes less than the gateways' own links: TCP gets through without anybody having set an MSS, the
senders are told what fits, ICMP that names no SA is not believed, and where ICMP is filtered --mss-clamp helps."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire
from lab import PAVISE, main
from sites import BOB, OUTER, Sites

PATHS = [(4, True), (4, False), (6, True), (6, False)]  # outer family, encapsulation
WAY = {(4, True): "ESP in UDP over IPv4", (4, False): "ESP over IPv4", (6, True): "ESP in UDP over IPv6",
       (6, False): "ESP over IPv6"}
# Drops what says that a packet was too long. On the way, not at the one who says it.
FILTER = """table inet hole {
    chain out {
        type filter hook output priority 0
        icmp type destination-unreachable drop
        icmpv6 type packet-too-big drop
    }
}"""

SERVER = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('::', 7000))
s.listen(8)
print('up', flush=True)
while True:
    c, _ = s.accept()
    want, got = c.recv(1), 0
    if want == b'g':
        c.sendall(b'x' * %d)
        c.shutdown(1)
    while True:
        d = c.recv(65536)
        if not d:
            break
        got += len(d)
    if want == b'p':
        c.sendall(str(got).encode())
    c.close()
"""
CLIENT = """
import socket, sys
c = socket.create_connection((sys.argv[1], 7000), 5)
c.settimeout(8)
c.sendall(sys.argv[2].encode())
got = 0
if sys.argv[2] == 'p':
    c.sendall(b'x' * %d)
c.shutdown(1)
answer = b''
while True:
    d = c.recv(65536)
    if not d:
        break
    answer, got = (answer + d)[-20:], got + len(d)
print(answer.decode() if sys.argv[2] == 'p' else got)
"""
BYTES = 400_000


def transfer(host, to, way):
    """BYTES by TCP, 'p'ut there or 'g'ot from there; how many arrived, or what went wrong."""
    done = host.try_run(["/usr/bin/python3", "-c", CLIENT % BYTES, to, way], timeout=30)
    return done.stdout.strip() or done.stderr.strip().split("\n")[-1]


def forget(site):
    """What hosts remember of paths would hide what gateways do."""
    for host in (site.alice, site.bob, site.moon, site.sun):
        host("ip route flush cache")
        host("ip -6 route flush cache")


def narrow(site, mtu):
    site.cafe(f"ip link set eth1 mtu {mtu}")
    site.sun(f"ip link set eth0 mtu {mtu}")


def told_mtu(host, to, size):
    """The MTU that a ping of this size, not to be fragmented, is told."""
    for _ in range(2):  # the first may have been what told the gateway
        said = host.try_run(["ping", "-n", "-c", "1", "-W", "1", "-M", "do", "-s", size, to])
        found = re.search(r"mtu[ =]+(\d+)", said.stdout + said.stderr)
        if found:
            return int(found.group(1))
    return said.stdout + said.stderr


def passes(site, family, encap, mtu, tap):
    name = f"{WAY[family, encap]}, {mtu} bytes"
    narrow(site, mtu)
    for inner in (4, 6):
        forget(site)
        tap.equal(f"{name}: TCP over IPv{inner} there", transfer(site.alice, BOB[inner], "p"), str(BYTES))
        tap.equal(f"{name}: TCP over IPv{inner} back", transfer(site.alice, BOB[inner], "g"), str(BYTES))
    forget(site)
    got = told_mtu(site.alice, BOB[4], 1372)
    tap.check(f"{name}: a sender is told what fits ({got})", isinstance(got, int) and mtu - 100 < got < mtu - 30, got)
    if isinstance(got, int):
        tap.equal(f"{name}: that much passes", site.alice.ping(BOB[4], 2, size=got - 28), 2)
    stat = site.moon.xfrm_stat()
    tap.check(f"{name}: counted under its word", stat["path-mtu"] > 0, stat)
    paths = json.loads(site.moon.try_run([PAVISE, "xfrm", "stat", "--json"]).stdout)["paths"]
    tap.equal(f"{name}: 'pavise xfrm stat' shows what was learned",
              [(p["dst"], p["mtu"]) for p in paths], [(OUTER[family][1], mtu)])


def spoofed(site, tap):
    """ICMP in the name of the router, about a packet of ours with another SPI, or none."""
    quoted = wire.ipv4_udp(OUTER[4][0], OUTER[4][1], 4500, 4500, bytes.fromhex("deadbeef") + bytes(1300))
    before = site.moon.xfrm_stat()
    wire.send(site.cafe, "eth0", wire.mac_of(site.moon, "eth0"), wire.ipv4_frag_needed("192.0.2.254", OUTER[4][0], 600, quoted))
    tap.equal("ICMP that quotes an SPI that is not ours is counted", site.moon.xfrm_stat()["icmp"], before["icmp"] + 1)
    forget(site)
    tap.check("and not believed", site.alice.try_run(["ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", "-M", "do",
                                                      "-s", "1200", BOB[4]]).stdout.count("bytes from") == 2)


def variant(lab_hosts, family, encap, tap, black_hole):
    site = lab_hosts
    site.start(outer=family, encap=encap, xfrmd_options=() if not black_hole else ("--mss-clamp", "1000"))
    site.up()
    server = site.bob.start(["/usr/bin/python3", "-c", SERVER % BYTES], "server")
    server.wait_for("up")
    if black_hole:
        narrow(site, 1280)
        site.cafe.nft(FILTER)
        name = f"{WAY[family, encap]}, 1280 bytes and ICMP filtered"
        for inner in (4, 6):
            tap.equal(f"{name}: --mss-clamp lets TCP over IPv{inner} there", transfer(site.alice, BOB[inner], "p"), str(BYTES))
            tap.equal(f"{name}: and back", transfer(site.alice, BOB[inner], "g"), str(BYTES))
        site.cafe("nft delete table inet hole")
    else:
        if (family, encap) == PATHS[0]:
            spoofed(site, tap)
        for mtu in (1400, 1280) if os.environ.get("PAVISE_FULL") or encap else (1280,):
            passes(site, family, encap, mtu, tap)
    server.stop()
    for daemons in (site.iked, site.xfrmd):
        for process in daemons.values():
            process.stop()
        daemons.clear()
    narrow(site, 1500)
    forget(site)


def test(lab, tap):
    site = Sites(lab)
    for family, encap in PATHS:
        variant(site, family, encap, tap, black_hole=False)
    for family, encap in PATHS if os.environ.get("PAVISE_FULL") else PATHS[:1]:
        variant(site, family, encap, tap, black_hole=True)


if __name__ == "__main__":
    main(test, "paths that take less")
