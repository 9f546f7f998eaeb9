#!/usr/bin/python3
"""No gap when an executor starts anew: clear text that inbound policies forbid is dropped while it dies, while it is
dead, when the next one starts and until its policies are back. By both guards, in both families, to the host and through.

    alice --- moon --- sun      sun floods moon and alice in clear; moon's executor dies ten times for each guard"""
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import main, wait_until

FAMILIES = (4, 6)
ALICE = {4: "10.1.0.10", 6: "fd00:1::10"}
NEAR = {4: "10.1.0.1", 6: "fd00:1::1"}
NET = {4: "10.1.0.0/24", 6: "fd00:1::/64"}
HOST = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
BOB = {4: "10.2.0.10", 6: "fd00:2::10"}
BITS = {4: (24, 32), 6: (64, 128)}
GCM = f"aead rfc4106(gcm(aes)) 0x{'0123456789abcdef' * 2}cafebabe 128"
RESTARTS = 10
GRACE = 2

# What gets through: the kernel's policies are asked before this hook.
WITNESS = """table inet witness {
    counter passed_4 { }
    counter passed_6 { }
    counter came_4 { }
    counter came_6 { }
    chain early {
        type filter hook prerouting priority -150
        iifname eth0 ip saddr 10.2.0.0/16 counter name came_4
        iifname eth0 ip6 saddr fd00:2::/64 meta l4proto ipv6-icmp counter name came_6
    }
    chain forward {
        type filter hook forward priority 100
        iifname eth0 ip saddr 10.2.0.0/16 counter name passed_4
        iifname eth0 ip6 saddr fd00:2::/64 counter name passed_6
    }
}"""


def counts(moon):
    """Packets of sun's net that came, those that went through, and pings that the host itself has seen."""
    got = {name: int(re.search(r"packets (\d+)", moon(f"nft list counter inet witness {name}"))[1])
           for name in ("came_4", "came_6", "passed_4", "passed_6")}
    keys, values = (line.split() for line in moon("cat /proc/net/snmp").split("\n") if line.startswith("Icmp:"))
    got["host_4"] = int(values[keys.index("InEchos")])
    got["host_6"] = int(re.search(r"Icmp6InEchos\s+(\d+)", moon("cat /proc/net/snmp6"))[1])
    return got


def town(lab):
    alice, moon, sun = (lab.host(n) for n in ("alice", "moon", "sun"))
    lab.wire(alice, "eth0", moon, "eth1")
    lab.wire(moon, "eth0", sun, "eth0")
    for f in FAMILIES:
        nodad = ["nodad"] if f == 6 else []
        for host, device, address, length in ((alice, "eth0", ALICE[f], 0), (moon, "eth1", NEAR[f], 0), (moon, "eth0", HOST[f][0], 0),
                                              (sun, "eth0", HOST[f][1], 0), (sun, "lo", BOB[f], 1)):
            host(["ip", "address", "add", f"{address}/{BITS[f][length]}", "dev", device, *nodad])
        alice(f"ip -{f} route add default via {NEAR[f]}")
        sun(f"ip -{f} route add {NET[f]} via {HOST[f][0]} src {BOB[f]}")
        moon(f"ip -{f} route add {BOB[f]}/{BITS[f][1]} via {HOST[f][1]}")
    moon.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
    moon.nft(WITNESS)
    return alice, moon, sun


def batch(host, lines):
    path = host.file("batch", "\n".join(lines) + "\n")
    done = host.ip_xfrm(["-batch", path])
    assert done.returncode == 0, done.stdout + done.stderr


def tunnel(host, side):
    """SAs and policies between alice's net and bob; on moon (side 0) for the host and for what goes through."""
    lines = []
    for f in FAMILIES:
        net = (NET[f], f"{BOB[f]}/{BITS[f][1]}")
        for way in (0, 1):
            lines.append(f"xfrm state add src {HOST[f][way]} dst {HOST[f][1 - way]} proto esp spi {0x1000 + way:#x} reqid 1 mode tunnel {GCM}")
        for direction, way in (("out", side), ("in", 1 - side), ("fwd", 1 - side)):
            lines.append(f"xfrm policy add src {net[way]} dst {net[1 - way]} dir {direction}"
                         f" tmpl src {HOST[f][way]} dst {HOST[f][1 - way]} proto esp reqid 1 mode tunnel")
    batch(host, lines)


def seen(now, before):
    return all(now[name] > before[name] for name in before)


def floods(sun):
    """200 pings a second each."""
    return [sun.start(["ping", "-n", "-q", "-i", "0.005", target], "flood")
            for f in FAMILIES for target in (ALICE[f], NEAR[f])]


def leftovers(moon):
    rules = moon.try_run("nft list table inet pavise").stdout  # perhaps there is none
    return len(set(re.findall(r"chain (?:input|forward|leave)_(\d)", rules))), moon("ip xfrm policy").count("dir in")


def restarts(tap, hosts, options):
    """The pings of the flood are in clear, since sun has no policies."""
    _alice, moon, sun = hosts
    name = "guard " + (options[1] if options else "auto")
    start = counts(moon)
    good = wait_until(lambda: all(sun.ping(target[f], 1, wait=1) for f in FAMILIES for target in (ALICE, NEAR)), 10)
    tap.check(f"{name}: before there is a policy clear text gets in and through", good and seen(counts(moon), start), counts(moon))
    executor = moon.xfrmd(*options)
    tunnel(moon, 0)
    before = counts(moon)
    running = floods(sun)
    for turn in range(RESTARTS):
        executor.stop((signal.SIGKILL, signal.SIGUSR2)[turn % 2])
        executor = moon.xfrmd(*options)
        time.sleep(0.05)  # no policies yet: the IKE daemon is late
        if turn % 5 != 2:  # or does not come back before the next crash
            tunnel(moon, 0)
    for process in running:
        process.stop(signal.SIGINT)
    after = {n: now - before[n] for n, now in counts(moon).items()}
    tap.check(f"{name}: sun's clear text came", min(after["came_4"], after["came_6"]) > RESTARTS * 20, after)
    for f in FAMILIES:
        tap.equal(f"{name}: in {RESTARTS} restarts none of it got in or through (IPv{f})", (after[f"host_{f}"], after[f"passed_{f}"]), (0, 0))
    return executor


def lives(tap, name, hosts, executor, options):
    """Protected traffic is not stopped by what is left; when the grace is over, that goes."""
    alice, moon, sun = hosts
    executor.stop(signal.SIGKILL)
    executor = moon.xfrmd("--grace", GRACE, *options)
    started = time.monotonic()
    tunnel(moon, 0)
    peer = sun.xfrmd()
    tunnel(sun, 1)
    for f in FAMILIES:
        tap.equal(f"{name}: protected traffic flows beside what the dead have left (IPv{f})", alice.ping(BOB[f], 3, 0.05), 3)
    tap.check(f"{name}: and that goes when the grace is over",
              wait_until(lambda: leftovers(moon)[0] == 1, GRACE + 5, 0.2) and time.monotonic() - started >= GRACE - 1, leftovers(moon))
    for f in FAMILIES:
        tap.equal(f"{name}: protected traffic flows on (IPv{f})", alice.ping(BOB[f], 2, 0.05), 2)
    peer.stop()
    executor.stop(signal.SIGKILL)
    executor = moon.xfrmd("--grace", 1, *options)
    gone = wait_until(lambda: sun.ping(ALICE[4], 1, wait=0.2) + sun.ping(ALICE[6], 1, wait=0.2) == 2, GRACE + 5, 0.2)
    tap.check(f"{name}: nobody asks again: after the grace all is open", gone, executor.output())
    executor.stop()
    tap.equal(f"{name}: a clean end leaves nothing", moon("ip xfrm policy") + moon("nft list tables").replace("table inet witness\n", ""), "")


def taken_away(tap, name, hosts, executor):
    """Others flush what is everybody's: nftables, and the kernel's policies."""
    _alice, moon, sun = hosts
    moon("ip xfrm policy flush")
    moon.nft("flush ruleset\n" + WITNESS)
    tap.check(f"{name}: others flush everything: what is known is put in again",
              wait_until(lambda: leftovers(moon)[0] == 1 and (name != "guard auto" or leftovers(moon)[1] > 0), 30), executor.output())
    before = counts(moon)
    for f in FAMILIES:
        for target in (ALICE[f], NEAR[f]):
            sun.ping(target, 3, 0.01, wait=0.3)
    after = {n: now - before[n] for n, now in counts(moon).items()}
    tap.check(f"{name}: and keeps clear text out", after["came_4"] >= 6 and after["came_6"] >= 6 and
              not any(after[n] for n in ("passed_4", "passed_6", "host_4", "host_6")), after)


def test(lab, tap):
    hosts = town(lab)
    for options in ((), ("--guard", "nft")):
        executor = restarts(tap, hosts, options)
        taken_away(tap, "guard " + (options[1] if options else "auto"), hosts, executor)
        lives(tap, "guard " + (options[1] if options else "auto"), hosts, executor, options)


if __name__ == "__main__":
    main(test, "no gap when the executor starts anew")
