#!/usr/bin/python3
"""A client that tunnels everything and leaves its LAN out: what passes in clear has the address of the LAN, not the tunnel's,
whatever comes or goes first."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import main, wait_until

LAN = {4: "10.1.0.0/16", 6: "fd00:1::/64"}
ALICE = {4: "10.1.0.10", 6: "fd00:1::10"}
HERE = {4: "10.1.0.1", 6: "fd00:1::1"}
VIRTUAL = {4: "10.9.0.1", 6: "fd00:9::1"}
ALL = {4: "0.0.0.0/0", 6: "::/0"}
BITS = {4: 32, 6: 128}


def xfrm(host, words):
    done = host.ip_xfrm("xfrm policy " + words)
    if done.returncode:
        raise AssertionError(f"{words}: {done.stdout}{done.stderr}")


def tunnel(host, verb, family):
    tmpl = "tmpl src 192.0.2.1 dst 198.51.100.1 proto esp mode tunnel" if verb == "add" else ""
    xfrm(host, f"{verb} src {VIRTUAL[family]}/{BITS[family]} dst {ALL[family]} dir out" + (" priority 100 " if verb == "add" else " ") + tmpl)


def lan(host, verb, family):
    for direction in ("out", "in", "fwd"):
        xfrm(host, f"{verb} src {LAN[family]} dst {LAN[family]} dir {direction}" + (" priority 10" if verb == "add" else ""))


def source(host, family, target):
    said = host.try_run(f"ip -{family} route get {target}").stdout
    found = re.search(r"dev (\S+).* src (\S+)", said)
    return found.groups() if found else said


def routes(host):
    return [line for f in (4, 6) for line in host.try_run(f"ip -{f} route show table 219").stdout.split("\n") if line.strip()]


def test(lab, tap):
    alice, moon, *_ = lab.two_sites()
    xfrmd = moon.xfrmd()
    for family in (4, 6):
        moon(f"ip -{family} address add {VIRTUAL[family]}/{BITS[family]} dev lo" + (" nodad" if family == 6 else ""))
    for family, first in ((4, "tunnel"), (4, "LAN"), (6, "tunnel")):
        name = f"IPv{family}, {first} first"
        for what in (tunnel, lan) if first == "tunnel" else (lan, tunnel):
            what(moon, "add", family)
        tap.equal(f"{name}: to the LAN with its address", source(moon, family, ALICE[family]), ("pavise0", HERE[family]))
        tap.equal(f"{name}: elsewhere with the virtual one", source(moon, family, "9.9.9.9" if family == 4 else "2001:db8:99::9"),
                  ("pavise0", VIRTUAL[family]))
        tap.equal(f"{name}: pings pass in clear", moon.ping(ALICE[family], 2), 2)
        for what in (tunnel, lan) if first == "LAN" else (lan, tunnel):
            what(moon, "del", family)
            if what is lan:
                tap.check(f"{name}: nothing is left out: the route has gone", not [r for r in routes(moon) if r.startswith(LAN[family])], routes(moon))
        tap.equal(f"{name}: no policies, no routes", routes(moon), [])
    lan(moon, "add", 4)
    tap.equal("without a tunnel around it the LAN needs no route of ours", routes(moon), [])
    tunnel(moon, "add", 4)
    moon("ip address del 10.1.0.1/16 dev eth1")
    moon("ip address add 10.1.0.2/16 dev eth1")
    tap.check("another address: the route follows", wait_until(lambda: source(moon, 4, ALICE[4]) == ("pavise0", "10.1.0.2"), 10),
              source(moon, 4, ALICE[4]))
    lan(moon, "del", 4)
    for name, what in (("some of the LAN", "proto tcp dport 22 priority 10"), ("what the tunnel comes before", "priority 200")):
        xfrm(moon, f"add src {LAN[4]} dst {LAN[4]} dir out {what}" if "proto" not in what else
             f"add src {LAN[4]} dst {LAN[4]} proto tcp dport 22 dir out priority 10")
        tap.equal(f"{name}: the tunnel's address stays", source(moon, 4, ALICE[4]), ("pavise0", VIRTUAL[4]))
    xfrmd.stop()
    tap.equal("stopped: nothing is left", routes(moon), [])


if __name__ == "__main__":
    main(test, "what is left out of a tunnel")
