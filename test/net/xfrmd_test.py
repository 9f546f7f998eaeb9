#!/usr/bin/python3
"""pavise-xfrmd alone, driven by stock `ip xfrm`: no IKE. Pings of both families over every outer
header, clear text kept in and out whatever happens to the daemon, and nothing left behind."""
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab as lab_module
import wire
from lab import PAVISE, main, wait_until
from sites import ALICE, BOB, INNER, OUTER

KEY = "0x" + "0123456789abcdef" * 2 + "cafebabe"
STAT = "import socket as s; c = s.socket(s.AF_UNIX); c.connect('\\0pavise-xfrm-stat'); print(c.makefile().read())"


class Gateway:
    def __init__(self, host, side):
        self.host, self.side, self.daemon = host, side, None

    def xfrm(self, command):
        done = self.host.ip_xfrm("xfrm " + command)
        if done.returncode:
            raise lab_module.Failed(f"{self.host.name}: ip xfrm {command}: {done.stdout}{done.stderr}")
        return done.stdout

    def policies(self, outer, verb="add", inner=(4, 6)):
        self.host.ip_xfrms(self.policy_commands(outer, verb, inner))

    def policy_commands(self, outer, verb, inner):
        me, peer = OUTER[outer][self.side], OUTER[outer][1 - self.side]
        for family in inner:
            here, there = INNER[family][self.side], INNER[family][1 - self.side]
            for way, src, dst, t_src, t_dst in (("out", here, there, me, peer), ("in", there, here, peer, me),
                                                ("fwd", there, here, peer, me)):
                yield f"policy {verb} src {src} dst {dst} dir {way} tmpl src {t_src} dst {t_dst} proto esp reqid 7 mode tunnel"

    def states(self, outer, udp, extra=""):
        encap = "encap espinudp 4500 4500 0.0.0.0" if udp else ""
        self.host.ip_xfrms(f"state add src {OUTER[outer][side]} dst {OUTER[outer][1 - side]} proto esp spi {0x1000 + side}"
                           f" reqid 7 mode tunnel aead rfc4106(gcm(aes)) {KEY} 128 replay-window 32"
                           f" flag af-unspec {encap} {extra}" for side in (0, 1))

    def flush(self):
        self.host.ip_xfrms(("state flush", "policy flush"))

    def stat(self):
        return json.loads(self.host(["/usr/bin/python3", "-c", STAT]))


def traces(host):
    """All that the daemon may leave on a host."""
    out = []
    for command in ("ip rule", "ip -6 rule", "ip route show table 219", "ip -6 route show table 219",
                    "ip xfrm policy", "nft list ruleset", "ip -br link show type tun"):
        done = host.try_run(command)
        out += [f"{command}: {line.strip()}" for line in done.stdout.split("\n") if line.strip()]
    return out


def seen(host, what, act):
    """The packets of this tcpdump expression that host sees while act() runs."""
    dump = host.start(["tcpdump", "-n", "-l", "--immediate-mode", "-i", "any", what], "tcpdump")
    dump.wait_for("listening", 5)
    act()
    time.sleep(0.3)  # what has just been sent is still to be shown
    dump.stop(signal.SIGINT)
    return [line for line in dump.output().split("\n") if " > " in line]


def forge(cafe, moon):
    """The cafe sends alice a ping in bob's name, in clear."""
    wire.send(cafe, "eth0", wire.mac_of(moon, "eth0"), wire.ipv4_icmp_echo(BOB[4], ALICE[4]))


def carries(gateways, alice, tap):
    for outer in (4, 6):
        for udp in (False, True):
            for gateway in gateways:
                gateway.policies(outer)
                gateway.states(outer, udp)
            for inner in (4, 6):
                name = f"IPv{inner} in ESP over {'UDP, ' if udp else ''}IPv{outer}"
                tap.equal(f"{name}: alice pings bob", alice.ping(BOB[inner], 5), 5)
                got = alice.ping(BOB[inner], 6, size=4000)  # IPv6 ends learn the path MTU from the first ones
                tap.check(f"{name}: pieces of 4000 bytes", got >= 3, got)
            tap.equal("moon itself pings bob, from an address the policy covers", gateways[0].host.ping(BOB[4], 2), 2)
            for gateway in gateways:
                gateway.flush()
    moon = gateways[0].stat()
    used = {(p["name"], p["family"]): p["packets_out"] for p in moon["ports"]}
    for port in (("raw_ip", 4), ("raw_ip", 6), ("udp_encap", 4), ("udp_encap", 6), ("tun", 0)):
        tap.check(f"port {port[0]} of IPv{port[1]} counts what it sent", used[port] >= 14, used)
    tap.equal("nothing was dropped", {d["word"]: d["count"] for d in moon["drops"] if d["count"]}, {})


def crypto(gateway, tap):
    gateway.states(4, True)
    gateway.xfrm("state add src 192.0.2.1 dst 198.51.100.1 proto ah spi 0x2000 mode tunnel"
                 f" auth-trunc hmac(sha256) 0x{'42' * 32} 128")
    told = {(row["encr"], row["key_bits"], row["integ"]): row for row in gateway.stat()["crypto"]}
    tap.check("each algorithm has a library that does it", len(told) > 100 and
              all(row["provider"] in ("ipsecmb", "openssl") for row in told.values()), told)
    used = {key: row["sas"] for key, row in told.items() if row["sas"]}
    tap.equal("SAs stand at the algorithms that they use", used,
              {("AES_GCM_16", 128, None): 2, ("NULL", 0, "HMAC_SHA2_256_128"): 1})
    said = gateway.host([PAVISE, "xfrm", "stat"])
    tap.check("`pavise xfrm stat` says so", "2 SAs use AES_GCM_16-128 by " in said
              and "1 SA uses NULL with HMAC_SHA2_256_128 by " in said, said)
    gateway.flush()


def routes(gateway, tap):
    shown = lambda: gateway.host("ip route show table 219") + gateway.host("ip -6 route show table 219")
    tap.check("a flush leaves no route", "pavise0" not in shown() and "blackhole" not in shown(), shown())
    gateway.policies(4)
    tap.check("a policy is a route with our address in it", "10.2.0.0/16 dev pavise0 proto 150 scope link src 10.1.0.1"
              in shown(), shown())
    tap.check("and a blackhole behind it", "blackhole 10.2.0.0/16 proto 150 metric 1000000" in shown(), shown())
    gateway.policies(4, "update")
    tap.check("an update keeps it", "10.2.0.0/16 dev pavise0" in shown(), shown())
    gateway.host("ip addr del 10.1.0.1/16 dev eth1")
    tap.check("the address goes, the route stays", wait_until(
        lambda: "10.2.0.0/16 dev pavise0" in shown() and "src 10.1.0.1" not in shown(), 3), shown())
    gateway.host("ip addr add 10.1.0.1/16 dev eth1")
    tap.check("it comes back, the route has it", wait_until(lambda: "src 10.1.0.1" in shown(), 3), shown())
    other = "policy {} src 10.9.0.0/16 dst 10.2.0.0/16 dir out {}"
    tmpl = "tmpl src 192.0.2.1 dst 198.51.100.1 proto esp reqid 7 mode tunnel"
    gateway.xfrm(other.format("add", tmpl))
    gateway.xfrm("policy delete src 10.1.0.0/16 dst 10.2.0.0/16 dir out")
    tap.check("a second policy keeps the destination", "10.2.0.0/16 dev pavise0" in shown(), shown())
    gateway.xfrm(other.format("delete", ""))
    tap.check("the last one takes it along", "10.2.0.0/16" not in shown(), shown())
    gateway.flush()


def keeps_clear_text_out(gateways, hosts, tap):
    alice, moon, cafe, _sun, _bob = hosts
    tap.check("without policies a forged packet does reach alice",
              wait_until(lambda: seen(alice, f"src {BOB[4]}", lambda: forge(cafe, moon)), 3))
    for gateway in gateways:
        gateway.policies(4)
    time.sleep(0.3)  # nft follows within a moment
    got = seen(alice, f"src {BOB[4]}", lambda: forge(cafe, moon))
    tap.equal("IPv4 in clear does not get through moon", got, [])
    cafe("ip addr add fd00:2::10/128 dev lo")  # the cafe plays bob, and needs no spoofing for it
    got = cafe.try_run(["ping", "-n", "-c", "3", "-i", "0.1", "-W", "1", "-I", BOB[6], ALICE[6]])
    tap.check("IPv6 in clear does not get through moon", "100% packet loss" in got.stdout, got.stdout)
    cafe("ip addr add 10.2.0.10/32 dev lo")
    for family, me in ((4, "10.1.0.1"), (6, "fd00:1::1")):
        got = cafe.try_run(["ping", "-n", "-c", "3", "-i", "0.1", "-W", "1", "-I", BOB[family], me])
        tap.check(f"IPv{family} in clear does not reach moon itself", "100% packet loss" in got.stdout, got.stdout)
    cafe("ip addr del 10.2.0.10/32 dev lo")
    cafe("ip addr del fd00:2::10/128 dev lo")
    guard = gateways[0].stat()["guard"]
    tap.check("the guard has counted them", guard["clear_in"] >= 10, guard)
    for family in (4, 6):
        got = seen(cafe, f"host {BOB[family]}", lambda f=family: alice.ping(BOB[f], 3, wait=1))
        tap.equal(f"policy without SA: IPv{family} does not leave moon in clear", got, [])


def other_traffic(gateways, hosts, tap):
    """A policy for 0.0.0.0/0 leads everything into the TUN device; what it does not name comes out again."""
    _alice, moon, _cafe, _sun, _bob = hosts
    gateways[0].flush()
    gateways[0].xfrm("policy add src 10.77.0.0/16 dst 0.0.0.0/0 dir out tmpl src 192.0.2.1 dst 198.51.100.1"
                     " proto esp reqid 8 mode tunnel")
    tap.equal("another source is not caught by a policy for every destination (IPv4)", moon.ping("198.51.100.1", 3), 3)
    gateways[0].xfrm("policy add src fd77::/16 dst ::/0 dir out tmpl src 192.0.2.1 dst 198.51.100.1"
                     " proto esp reqid 8 mode tunnel")
    tap.equal("nor by one for IPv6", moon.ping("2001:db8:b::1", 3), 3)
    gateways[0].flush()


def dies(gateways, hosts, tap, *options):
    alice, moon, cafe, _sun, _bob = hosts
    for gateway in gateways:
        gateway.flush()
        gateway.policies(4)
        gateway.states(4, True)
    tap.equal("it works before", alice.ping(BOB[4], 2) + alice.ping(BOB[6], 2), 4)
    gateways[0].daemon.stop(signal.SIGKILL)
    for family in (4, 6):
        got = seen(cafe, f"host {BOB[family]}", lambda f=family: alice.ping(BOB[f], 3, wait=1))
        tap.equal(f"killed: IPv{family} does not leave moon in clear", got, [])
    got = seen(alice, f"src {BOB[4]}", lambda: forge(cafe, moon))
    tap.equal("killed: clear text does not get in", got, [])
    gateways[0].daemon = moon.xfrmd(*options, "--grace", "2")
    for family in (4, 6):
        got = seen(cafe, f"host {BOB[family]}", lambda f=family: alice.ping(BOB[f], 2, wait=0.3))
        tap.equal(f"a new one has no policies yet: IPv{family} still does not leave in clear", got, [])
    gateways[0].policies(4, inner=(6,))
    tap.check("its grace ends", wait_until(lambda: not [t for t in traces(moon) if "blackhole 10.2" in t], 5))
    left = [t for t in traces(moon) if "blackhole" in t and "10.2" in t or "0x50415649" in t and "ip xfrm" in t]
    tap.equal("then what the dead one left is gone", left, [])
    tap.equal("but for what is wanted again", len([t for t in traces(moon) if "blackhole" in t]), 1)
    gateways[0].flush()
    gateways[0].policies(4)
    gateways[0].states(4, True, "replay-oseq 1000")
    gateways[1].xfrm("state flush")
    gateways[1].states(4, True)
    tap.equal("and works", alice.ping(BOB[4], 2) + alice.ping(BOB[6], 2), 4)


def ends(gateways, before, tap):
    for gateway in gateways:
        tap.equal(f"{gateway.host.name}: SIGTERM is a clean end", gateway.daemon.stop(), 0)
        tap.equal(f"{gateway.host.name}: nothing is left", traces(gateway.host), before[gateway.host])


def leaves(gateway, hosts, tap):
    """SIGUSR2, for an upgrade: closed until the next one has its policies."""
    alice, cafe = hosts[0], hosts[2]
    gateway.policies(4)
    tap.equal("SIGUSR2 is a clean end", gateway.daemon.stop(signal.SIGUSR2), 0)
    for family in (4, 6):
        got = seen(cafe, f"host {BOB[family]}", lambda f=family: alice.ping(BOB[f], 2, wait=0.3))
        tap.equal(f"SIGUSR2: IPv{family} does not leave moon in clear", got, [])
    gateway.daemon = gateway.host.xfrmd()


def guards_at_once(gateway, tap):
    """Each of a tunnel's policies is guarded before its request is answered."""
    late = []
    for n in range(1, 7):
        gateway.xfrm(f"policy add src fd00:{n}::/64 dst fd00:99::/64 dir in tmpl src 192.0.2.1 dst 198.51.100.1"
                     " proto esp reqid 9 mode tunnel")
        if f"fd00:{n}::/64" not in gateway.host("nft list table inet pavise"):
            late.append(n)
    tap.equal("six IPv6 policies one after the other: each guarded at once", late, [])
    gateway.flush()


def loses_device(gateway, tap):
    gateway.daemon = gateway.host.xfrmd()
    gateway.policies(4)
    gateway.host("ip link del pavise0")
    wait_until(lambda: not gateway.daemon.alive(), 5)
    tap.check("without its device it ends", not gateway.daemon.alive() and gateway.daemon.stop() == 1)
    closed = gateway.host("ip xfrm policy") + gateway.host("nft list ruleset")
    tap.check("and leaves the guard, as after a crash", "dir in" in closed or "clear_in drop" in closed, closed)
    tap.check("and routes to nowhere", "blackhole" in gateway.host("ip route show table 219"))


def test(lab, tap):
    hosts = lab.two_sites()
    gateways = [Gateway(hosts[1], 0), Gateway(hosts[3], 1)]
    before = {g.host: traces(g.host) for g in gateways}
    for options in ((), ("--guard", "nft")):
        tap.note(f"options: {' '.join(options) or 'none'}")
        for gateway in gateways:
            gateway.daemon = gateway.host.xfrmd(*options)
        carries(gateways, hosts[0], tap)
        crypto(gateways[0], tap)
        routes(gateways[0], tap)
        keeps_clear_text_out(gateways, hosts, tap)
        other_traffic(gateways, hosts, tap)
        dies(gateways, hosts, tap, *options)
        ends(gateways, before, tap)
    gateways[0].daemon = gateways[0].host.xfrmd()
    leaves(gateways[0], hosts, tap)
    guards_at_once(gateways[0], tap)
    ends(gateways[:1], before, tap)
    loses_device(gateways[0], tap)


if __name__ == "__main__":
    main(test, "pavise-xfrmd and ip xfrm")
