#!/usr/bin/python3
"""A client that tunnels everything and leaves its LAN out: what passes in clear has the address of the LAN, not the tunnel's,
whatever comes or goes first. And policies for one device: walls around it and holes in them, by priority, and a tunnel between."""
import os
import re
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import ECHO_SERVER, PAVISE, main, wait_until

LAN = {4: "10.1.0.0/16", 6: "fd00:1::/64"}
ALICE = {4: "10.1.0.10", 6: "fd00:1::10"}
HERE = {4: "10.1.0.1", 6: "fd00:1::1"}
VIRTUAL = {4: "10.9.0.1", 6: "fd00:9::1"}
ALL = {4: "0.0.0.0/0", 6: "::/0"}
BITS = {4: 32, 6: 128}
CAFE = {4: "192.0.2.254", 6: "2001:db8:a::fe"}
MOON = {4: "192.0.2.1", 6: "2001:db8:a::1"}
BOB = {4: "10.2.0.10", 6: "fd00:2::10"}
BOBS = {4: "10.2.0.0/16", 6: "fd00:2::/64"}
OUTER = ("192.0.2.1", "198.51.100.1")
GCM = f"aead rfc4106(gcm(aes)) 0x{'0123456789abcdef' * 2}cafebabe 128"
ECHO = 9500
FULL = os.environ.get("PAVISE_FULL") == "1"
ASK = f"""
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.settimeout(2)
s.sendto(b"x", (sys.argv[1], {ECHO}))
s.recv(9)
"""
# Behind the guard of moon: what goes to bob unprotected.
COUNT_CLEAR = """table inet seen {
    counter clear { }
    chain pass {
        type filter hook forward priority 0
        ip daddr 10.2.0.0/16 counter name clear
        ip6 daddr fd00:2::/64 counter name clear
    }
}"""


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


def wall(host, verb, device="eth0"):
    """Nothing passes the device: priority 4."""
    for family in (4, 6):
        for direction in ("out", "in", "fwd"):
            xfrm(host, f"{verb} src {ALL[family]} dst {ALL[family]} dev {device} dir {direction}"
                       + (" action block priority 4" if verb == "add" else ""))


def hole(host):
    """But one service elsewhere, on every device."""
    for family in (4, 6):
        xfrm(host, f"add src {ALL[family]} dst {ALL[family]} proto udp dport {ECHO} dir out priority 1")
        xfrm(host, f"add src {ALL[family]} dst {ALL[family]} proto udp dport {ECHO} dir fwd priority 1")
        for direction in ("in", "fwd"):
            xfrm(host, f"add src {ALL[family]} dst {ALL[family]} proto udp sport {ECHO} dir {direction} priority 1")


def sites(host, side, device=""):
    """The tunnel between the sites, priority 2; what leaves for it by the device, if one is named."""
    for way in (0, 1):
        done = host.ip_xfrm(f"xfrm state add src {OUTER[way]} dst {OUTER[1 - way]} proto esp spi {0x1000 + way:#x} reqid 1 mode tunnel"
                            f" {GCM} flag af-unspec")
        if done.returncode:
            raise AssertionError(done.stderr)
    for family in (4, 6):
        ends = (LAN[family], BOBS[family])
        for direction, way, dev in (("out", side, device), ("in", 1 - side, ""), ("fwd", 1 - side, "")):
            xfrm(host, f"add src {ends[way]} dst {ends[1 - way]} {dev} dir {direction} priority 2 tmpl src {OUTER[way]} dst {OUTER[1 - way]}"
                       " proto esp reqid 1 mode tunnel")


def alive(*asks):
    """For each (host, target): is there an answer? All at a time."""
    running = [host.start(["ping", "-n", "-q", "-c", 2, "-i", 0.1, "-W", 0.6, target], "ping") for host, target in asks]
    lives = tuple(int(p.popen.wait(30) == 0) for p in running)
    for process in running:
        asks[0][0].lab.processes.remove(process)
    return lives


def around(hosts):
    """By eth1, out of eth0, in by it, through it, and through the tunnel behind it, for each family."""
    alice, moon, cafe = hosts
    ways = ((moon, ALICE), (moon, CAFE), (cafe, MOON), (alice, CAFE), (alice, BOB))
    lives = alive(*((host, target[family]) for family in (4, 6) for host, target in ways))
    return [lives[:5], lives[5:]]


def served(host, family):
    target = f"::ffff:{CAFE[4]}" if family == 4 else CAFE[6]
    return host.try_run(["/usr/bin/python3", "-c", ASK, target]).returncode == 0


def devices(tap, hosts, sun):
    alice, moon, cafe = hosts
    server = cafe.start(["/usr/bin/python3", "-c", ECHO_SERVER, ECHO], "echo")
    server.wait_for("bound", 30)
    cafe.nft(COUNT_CLEAR)
    sun.xfrmd()
    sites(sun, 1)
    for guard in ("auto", "nft") if FULL else ("auto",):  # which takes nft for walls
        executor = moon.xfrmd("--guard", guard)
        sites(moon, 0, "dev eth0")
        tap.check(f"guard {guard}: without a wall all lives", wait_until(lambda: around(hosts) == [(1, 1, 1, 1, 1)] * 2, 30), executor.output())
        hole(moon)
        wall(moon, "add")
        tap.equal(f"guard {guard}: a wall around eth0: what lives by eth1 and in the tunnel", around(hosts), [(1, 0, 0, 0, 1)] * 2)
        tap.equal(f"guard {guard}: the hole comes first", [served(h, f) for h in (moon, alice) for f in (4, 6)], [True] * 4)
        wall(moon, "delete")
        wall(moon, "add", "eth1")
        tap.equal(f"guard {guard}: a wall around eth1 instead", around(hosts), [(0, 1, 1, 0, 0)] * 2)
        wall(moon, "add")
        executor.stop(signal.SIGKILL)
        tap.equal(f"guard {guard}: walls outlive one who is killed", around(hosts), [(0, 0, 0, 0, 0)] * 2)
        executor = moon.xfrmd("--guard", guard, "--grace", "1")
        tap.check(f"guard {guard}: after the grace of the next one they are gone", wait_until(lambda: around(hosts)[0][:4] == (1, 1, 1, 1), 30),
                  executor.output())
        executor.stop()


def elsewhere(tap, hosts):
    """A tunnel for what leaves by eth1 is not for what leaves by eth0."""
    alice, moon, cafe = hosts
    executor = moon.xfrmd("--guard", "xfrm")
    sites(moon, 0, "dev eth1")
    cafe("nft reset counters table inet seen")
    alive((alice, BOB[4]))
    clear = cafe("nft list counters table inet seen")
    tap.check("a tunnel for another device leaves them alone", "packets 2 " in clear, clear)
    said = moon.try_run([PAVISE, "explain", "10.1.0.10", BOB[4]]).stdout
    tap.check("pavise explain says why", "is for packets that pass another device" in said, said)
    wall(moon, "add")
    tap.check("guard xfrm: it says that it cannot tell by which device packets come", "only nft can tell" in executor.output(), executor.output())
    executor.stop()


def source(host, family, target):
    said = host.try_run(f"ip -{family} route get {target}").stdout
    found = re.search(r"dev (\S+).* src (\S+)", said)
    return found.groups() if found else said


def routes(host):
    return [line for f in (4, 6) for line in host.try_run(f"ip -{f} route show table 219").stdout.split("\n") if line.strip()]


def test(lab, tap):
    alice, moon, cafe, sun, _bob = lab.two_sites()
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
    moon("ip address del 10.1.0.2/16 dev eth1")
    moon("ip address add 10.1.0.1/16 dev eth1")
    devices(tap, (alice, moon, cafe), sun)
    elsewhere(tap, (alice, moon, cafe))


if __name__ == "__main__":
    main(test, "what is left out of a tunnel")
