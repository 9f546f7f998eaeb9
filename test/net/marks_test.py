#!/usr/bin/python3
"""Firewall marks of what is protected: a TUN device does not tell them, so marks have devices of their own.

Two tunnels with the same selectors are told apart by the marks that the host's rules give; what comes out of an SA that sets one
has it before the host's rules see it. Nothing that a policy with a mark protects leaves in clear, whoever dies, and everything
is taken away again."""
import json
import os
import re
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import PAVISE, main, wait_until
from sites import Sites

FULL = os.environ.get("PAVISE_FULL") == "1"
SIDES = {4: ("10.1.0.0/16", "10.2.0.0/16"), 6: ("fd00:1::/64", "fd00:2::/64")}
BOB = {4: "10.2.0.10", 6: "fd00:2::10"}
OUTER = ("192.0.2.1", "198.51.100.1")
MARKS = (10, 20)
GIVEN = 30  # by sun's SAs for mark 20 to what they open
KEY = "0x000102030405060708090a0b0c0d0e0f10111213"
TOS = {10: 0x00, 20: 0xb8}  # best effort, expedited forwarding
# What each host's own rules do: marks by DSCP, and count what has the mark that an SA has set.
CLASSIFY = """table inet mine {
    counter given { }
    chain pre {
        type filter hook prerouting priority mangle
        iifname "pavise0*" meta mark 30 counter name given
        iifname "eth1" ip dscp ef meta mark set 20
        iifname "eth1" ip6 dscp ef meta mark set 20
        iifname "eth1" ip dscp cs0 meta mark set 10
        iifname "eth1" ip6 dscp cs0 meta mark set 10
        iifname "eth1" ip dscp cs1 meta mark set 0
        iifname "eth1" ip6 dscp cs1 meta mark set 0
    }
}"""
COUNT_CLEAR = """table inet seen {
    counter clear { }
    chain pass {
        type filter hook forward priority 0
        meta l4proto { icmp, icmpv6 } counter name clear
    }
}"""


def xfrm(host, words):
    done = host.ip_xfrm("xfrm " + words)
    if done.returncode:
        raise AssertionError(f"{words}: {done.stdout}{done.stderr}")


def counter(host, table, name):
    listed = json.loads(host(f"nft -j list counters table inet {table}"))["nftables"]
    return next(c["counter"]["packets"] for c in listed if c.get("counter", {}).get("name") == name)


def spi(mark, side):
    return f"0x{mark * 0x100 + side:x}"


def protect(host, side):
    """The host's SAs and policies, for each mark and family."""
    me, peer = OUTER[side], OUTER[1 - side]
    for mark in MARKS:
        tmpl = f"proto esp reqid {mark} mode tunnel"
        aead = f"proto esp mode tunnel reqid {mark} aead rfc4106(gcm(aes)) {KEY} 128 flag af-unspec"
        gives = f"output-mark {GIVEN} mask 0xffffffff" if mark == 20 and side else ""
        xfrm(host, f"state add src {me} dst {peer} spi {spi(mark, side)} {aead} mark {mark} mask 0xffffffff")
        xfrm(host, f"state add src {peer} dst {me} spi {spi(mark, 1 - side)} {aead} {gives}")
        for nets in SIDES.values():
            ours, theirs = nets[side], nets[1 - side]
            xfrm(host, f"policy add src {ours} dst {theirs} dir out mark {mark} mask 0xffffffff tmpl src {me} dst {peer} {tmpl}")
            for direction in ("in", "fwd"):
                xfrm(host, f"policy add src {theirs} dst {ours} dir {direction} mark {GIVEN if gives else mark} mask 0xffffffff "
                           f"tmpl src {peer} dst {me} {tmpl}")


def used(host):
    """SPI -> packets, of a host's SAs."""
    said = host.ip_xfrm("-s xfrm state").stdout
    return {int(s, 16): int(n) for s, n in re.findall(r"spi (0x\w+).*?lifetime current:\s+\d+\(bytes\), (\d+)\(packets\)", said, re.S)}


def ping(host, target, tos, count=3, wait=2):
    said = host.try_run(["ping", "-n", "-q", "-c", count, "-i", "0.05", "-W", wait, "-Q", tos, target]).stdout
    found = re.search(r"(\d+) received", said)
    return int(found[1]) if found else -1


def rules(host):
    return [line for f in (4, 6) for line in host(f"ip -{f} rule show").split("\n") if line]


def devices(host):
    return sorted(set(re.findall(r"pavise0-\d+", host("ip -o link"))))


def apart(site, tap, name):
    """Each mark has its own SAs."""
    for family, bob in BOB.items():
        for mark in MARKS:
            before = used(site.moon)
            tap.equal(f"{name}, IPv{family}: pings with mark {mark} pass", ping(site.alice, bob, TOS[mark]), 3)
            after = used(site.moon)
            grown = {s: after[s] - before[s] for s in after if after[s] != before[s]}
            tap.equal(f"{name}, IPv{family}: by the SAs for it", grown, {int(spi(mark, side), 16): 3 for side in (0, 1)})
    tap.equal(f"{name}: nothing in clear", counter(site.cafe, "seen", "clear"), 0)
    tap.equal(f"{name}: what an SA has marked comes with it", counter(site.sun, "mine", "given"), 6)


def without(site, tap):
    """A policy with a mark is for nothing else, as in the kernel."""
    for family, bob in BOB.items():
        site.cafe("nft reset counters table inet seen")
        tap.equal(f"IPv{family}: without the mark pings go in clear", (ping(site.alice, bob, 0x20, 2),
                                                                      counter(site.cafe, "seen", "clear")), (2, 4))
    site.cafe("nft reset counters table inet seen")


def too_long(site, tap):
    """The answer of the executor to a packet that is too long finds its way back."""
    site.alice.try_run("ping -n -q -c 1 -W 1 -s 1372 -M do 10.2.0.10")
    said = site.alice.try_run(f"ping -n -c 2 -i 0.1 -W 2 -s 1450 -M do -Q {TOS[20]} 10.2.0.10").stdout
    tap.check("a packet with a mark that is too long: its sender is told", "Frag needed" in said or "too long" in said, said)


def dies(site, tap, before):
    """kill -9: the rules hold what they have led, and the next one takes away what nobody wants back."""
    moon = site.moon
    site.xfrmd[moon].stop(signal.SIGKILL)
    for family, bob in BOB.items():
        tap.equal(f"IPv{family}: killed: packets with the mark do not leave", (ping(site.alice, bob, TOS[20], 2, 0.3),
                                                                             counter(site.cafe, "seen", "clear")), (0, 0))
    site.xfrmd[moon] = moon.xfrmd("--grace", "1")
    ping(site.alice, BOB[4], TOS[20], 2, 0.3)
    tap.equal("the next one: nor before policies are back", counter(site.cafe, "seen", "clear"), 0)
    gone = wait_until(lambda: not [r for r in rules(moon) if "fwmark 0x14" in r], 30)
    tap.check("after its grace nothing of them is left", gone, rules(moon))
    site.xfrmd[moon].stop()
    tap.equal("stopped: rules are as before", rules(moon), before)


def again(site, tap):
    """Killed, and the same policies come back in another order: each mark has its own old lane."""
    moon = site.moon
    site.xfrmd[moon] = moon.xfrmd()
    protect(moon, 0)
    old = sorted(r for r in rules(moon) if "218:" in r)
    site.xfrmd[moon].stop(signal.SIGKILL)
    site.xfrmd[moon] = moon.xfrmd("--grace", "2")
    protect(moon, 0)
    tap.equal("back with the same policies: the same rules, each once", sorted(r for r in rules(moon) if "218:" in r), old)
    tap.equal("and pings pass", [ping(site.alice, BOB[4], TOS[mark]) for mark in MARKS], [3, 3])
    said = json.loads(moon([PAVISE, "xfrm", "stat", "--json"]))["marks"]
    tap.equal("statistics name marks and devices", sorted((m["mark"], m["packets_out"] >= 3) for m in said),
              [("0x14/0xffffffff", True), ("0xa/0xffffffff", True)])


def gone(site, tap, before):
    moon = site.moon
    xfrm(moon, "policy flush")
    tap.check("policies gone: their devices and rules as well", wait_until(lambda: not devices(moon), 10)
              and not [r for r in rules(moon) if "218:" in r], (devices(moon), rules(moon)))
    xfrm(site.sun, "policy flush")
    xfrm(site.sun, "state flush")
    tap.check("and what gave marks", wait_until(lambda: not devices(site.sun) and "pavise_mark" not in site.sun("nft list tables"), 10),
              site.sun("nft list tables"))
    for process in site.xfrmd.values():
        process.stop()
    tap.equal("stopped: rules are as before", (rules(moon), rules(site.sun)), (before, before))


def refused(site, tap):
    moon = site.moon
    xfrmd = moon.xfrmd()
    tmpl = "tmpl src 192.0.2.1 dst 198.51.100.1 proto esp mode tunnel"
    done = moon.ip_xfrm(f"xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/16 dir out mark 0x50000000 mask 0xf0000000 {tmpl}")
    tap.check("a mark that is also the executor's own: refused", done.returncode and not devices(moon), done.stdout + done.stderr)
    for mark in ("0x2 mask 0x2", "0x4 mask 0x4"):
        done = moon.ip_xfrm(f"xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/16 dir out mark {mark} {tmpl}")
    tap.check("two marks that one packet could have: the second is refused", done.returncode and len(devices(moon)) == 1, done.stdout + done.stderr)
    moon.ip_xfrm("xfrm policy flush")
    for i in range(1, 66) if FULL else ():
        done = moon.ip_xfrm(f"xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/16 dir out mark {i} mask 0xffffffff {tmpl}")
        if i == 64:
            tap.check("64 marks are taken", done.returncode == 0 and len(devices(moon)) == 64, done.stderr)
    if FULL:
        tap.check("and no more", done.returncode != 0, done.stdout)
    xfrmd.stop()


def negotiated(site, tap):
    """Chosen by the diplomat: alice's packets are for the child only with its mark, and answers come with it."""
    moon, child = site.moon, {"moon": "mark_in = %unique\nmark_out = %unique\nset_mark_in = %same", "sun": ""}
    moon("nft flush ruleset")
    site.sun("nft flush ruleset")
    for host in (moon, site.sun):
        site.xfrmd[host] = host.xfrmd()
        site.iked[host] = host.iked(site.config(host.name, child_extra=child[host.name]), "--strongswan-conf", "no")
    site.up()
    moon.nft("""table inet mine {
        counter given { }
        chain pre {
            type filter hook prerouting priority mangle
            iifname "pavise0*" meta mark 1 counter name given
            iifname "eth1" meta mark set 1
        }
    }""")
    site.cafe("nft reset counters table inet seen")
    for family, bob in BOB.items():
        tap.equal(f"IKE, IPv{family}: with the child's mark pings pass", site.alice.ping(bob, 3), 3)
    tap.equal("IKE: answers come with the mark, nothing in clear", (counter(moon, "mine", "given"), counter(site.cafe, "seen", "clear")), (6, 0))
    done = moon.pavise("rekey", "net-net")
    tap.check("rekeyed: the mark stays", done.returncode == 0 and site.alice.ping(BOB[4], 3) == 3, done.stdout + done.stderr)
    moon.pavise("down", "sites")
    tap.check("down: the device goes", wait_until(lambda: not devices(moon), 10), devices(moon))


def test(lab, tap):
    site = Sites(lab)
    site.cafe.nft(COUNT_CLEAR)
    before = rules(site.moon)
    for workers, guard in (("1", "nft"), ("3", "auto")) if FULL else (("2", "nft"),):
        for side, host in enumerate((site.moon, site.sun)):
            host("nft flush ruleset")
            site.xfrmd[host] = host.xfrmd("--workers", workers, "--guard", guard if host is site.moon else "auto")
            host.nft(CLASSIFY)
            protect(host, side)
        apart(site, tap, f"{workers} workers, guard {guard}")
        without(site, tap)
        if FULL and workers == "1":
            site.xfrmd[site.moon].stop()
            site.xfrmd[site.sun].stop()
    if FULL:
        too_long(site, tap)
    dies(site, tap, before)
    again(site, tap)
    gone(site, tap, before)
    refused(site, tap)
    negotiated(site, tap)


if __name__ == "__main__":
    main(test, "marks of what is protected")
