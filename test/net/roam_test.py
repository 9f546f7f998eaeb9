#!/usr/bin/python3
"""moon changes networks while a ping flood and a TCP stream go through the tunnel (MOBIKE, RFC 4555):
another address, with the old one there for a moment and without; IPv6; behind a NAT and out of it; and
sun, who did not begin, changes its own. Nothing is negotiated anew.

    moon 192.0.2.1, .77, .130 (behind a NAT), 2001:db8:a::1 --- cafe --- sun 198.51.100.1, .2, 2001:db8:b::1
"""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import main, wait_until
from sites import BOB, Sites
from traffic import served

STREAM_S = 18
PINGS_A_SECOND = 50
NAT = """table ip nat {
    chain post {
        type nat hook postrouting priority 100
        oifname eth1 ip saddr 192.0.2.128/25 masquerade
    }
}"""


class Traffic:
    """A flood of pings and one TCP stream from alice to bob."""

    def __init__(self, site, seconds):
        self.server = served(site.bob)
        self.tcp = site.alice.start(["iperf3", "-J", "-c", BOB[4], "-t", seconds, "-b", "20M"], "iperf3")
        self.pings = site.alice.start(["ping", "-n", "-D", "-i", 1 / PINGS_A_SECOND, "-c", seconds * PINGS_A_SECOND,
                                       "-W", 1, BOB[4]], "ping")

    def answered(self):
        return {int(n) for n in re.findall(r"icmp_seq=(\d+) ttl", self.pings.output())}

    def now(self):
        got = self.answered()
        return max(got) if got else 0

    def lost_since(self, first):
        got = self.answered()
        return sum(1 for n in range(first, max(got) + 1) if n not in got)

    def stream(self):
        """Mbit in each second of the TCP stream, as bob received it."""
        wait_until(lambda: not self.tcp.alive(), STREAM_S + 15)
        try:
            done = json.loads(self.tcp.output())
            return [i["sum"]["bytes"] * 8 / 1e6 for i in done["intervals"]], done["end"]["sum_received"]["bytes"]
        except (ValueError, KeyError):
            return [], 0


def leave(host, *addresses):
    for address in addresses:
        host(["ip", "address", "del", address, "dev", "eth0"])


def arrive(host, address, via):
    host(["ip", "address", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else [])])
    host(["ip", "route", "replace", "default", "via", via, "src", address.split("/")[0]])


class Journey:
    def __init__(self, site, traffic, tap):
        self.site, self.traffic, self.tap = site, traffic, tap

    def sas_at(self, moon, sun, nat):
        """Do both executors send from and to these addresses? nat: where sun sees moon."""
        ours = self.site.moon.ip_xfrm("xfrm state list nokeys").stdout
        theirs = self.site.sun.ip_xfrm("xfrm state list nokeys").stdout
        encap = "espinudp" in ours and "espinudp" in theirs
        return f"src {moon} dst {sun}" in ours and f"src {sun} dst {nat or moon}" in theirs and encap == bool(nat)

    def move(self, name, change, moon, sun="198.51.100.1", nat=None, most=2.0):
        """change() takes the ends to these addresses; at most `most` seconds of pings are lost."""
        time.sleep(0.5)
        first = self.traffic.now()
        change()
        moved = wait_until(lambda: self.sas_at(moon, sun, nat), 10, 0.1)
        self.tap.check(f"{name}: the executors know", moved, self.site.iked[self.site.moon].output()[-1500:])
        passes = wait_until(lambda: self.traffic.now() > first + PINGS_A_SECOND, 10, 0.2)
        lost = self.traffic.lost_since(first)
        self.tap.check(f"{name}: pings go on", passes and lost <= most * PINGS_A_SECOND,
                       f"{lost} lost, at most {most * PINGS_A_SECOND} may be")
        self.tap.note(f"{name}: {lost} pings of 20 ms lost")

    def soft(self):
        moon = self.site.moon
        arrive(moon, "192.0.2.77/24", "192.0.2.254")
        time.sleep(1)
        leave(moon, "192.0.2.1/24")

    def hard(self):
        leave(self.site.moon, "192.0.2.77/24")
        time.sleep(0.3)
        arrive(self.site.moon, "192.0.2.1/24", "192.0.2.254")

    def ipv6(self):
        self.site.moon("ip -6 route add default via 2001:db8:a::fe")
        leave(self.site.moon, "192.0.2.1/24")

    def nat(self):
        moon = self.site.moon
        arrive(moon, "192.0.2.130/24", "192.0.2.254")
        moon("ip -6 route del default")
        leave(moon, "2001:db8:a::1/64")

    def no_nat(self):
        leave(self.site.moon, "192.0.2.130/24")
        arrive(self.site.moon, "192.0.2.77/24", "192.0.2.254")

    def server(self):
        leave(self.site.sun, "198.51.100.1/24")
        arrive(self.site.sun, "198.51.100.2/24", "198.51.100.254")

    def travel(self):
        self.move("to another address, the old one still there", self.soft, "192.0.2.77", most=0.3)
        self.move("to another address after a gap", self.hard, "192.0.2.1")
        self.move("to IPv6", self.ipv6, "2001:db8:a::1", "2001:db8:b::1")
        self.move("to IPv4 behind a NAT", self.nat, "192.0.2.130", nat="198.51.100.254")
        self.move("out of the NAT", self.no_nat, "192.0.2.77")
        self.move("sun moves", self.server, "192.0.2.77", "198.51.100.2")


def test(lab, tap):
    site = Sites(lab)
    for host in (site.moon, site.sun):
        host.sysctl(net__ipv4__conf__all__promote_secondaries=1, net__ipv4__conf__eth0__promote_secondaries=1)
    site.moon("ip -6 route del default")
    site.cafe.nft(NAT)
    site.start(inner=(4, 6), remote_any=True, conn_extra="local_addrs = %any")
    site.up()
    spis = site.spis(site.moon)
    traffic = Traffic(site, STREAM_S)
    Journey(site, traffic, tap).travel()
    seconds, received = traffic.stream()
    tap.check("the TCP stream lived through it", len(seconds) >= STREAM_S and sum(seconds[-2:]) > 10 and received,
              f"Mbit in each second: {[round(n) for n in seconds]}")
    larval = {"0x00000000"}  # asked for by a packet in the middle of a move
    tap.equal("nothing was negotiated anew", site.spis(site.moon) - larval, spis)


if __name__ == "__main__":
    main(test, "MOBIKE: changing networks")
