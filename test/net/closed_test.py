#!/usr/bin/python3
"""Fails closed: with a policy and no SA, or with the executor dead, nothing leaves or enters in clear.
The first packet waits for its tunnel and is not lost. A clean stop leaves nothing behind."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire
from lab import main, wait_until
from sites import ALICE, BOB, Sites


def leaks(site, target, send):
    """What the cafe sees in clear for `target` while send() runs."""
    process = site.cafe.start(["tcpdump", "-n", "-l", "--immediate-mode", "-i", "eth0", "host", target], "tcpdump")
    process.wait_for("listening", 5)
    send()
    time.sleep(0.3)  # what has just been sent is still to be shown
    process.stop(signal.SIGINT)
    return [line for line in process.output().split("\n") if target in line and " > " in line]


def state_of(host):
    """All that Pavise may leave on a host: rules, routes, kernel policies, nft tables, devices."""
    out = []
    for command in ("ip rule show", "ip -6 rule show", "ip route show table all", "ip -6 route show table all",
                    "ip xfrm policy", "nft list ruleset", "ip -br link"):
        done = host.try_run(command)
        out += [f"{command}: {line.strip()}" for line in done.stdout.split("\n") if line.strip()]
    keep = [line for line in out if not any(word in line for word in ("fe80", "ff00", "cache", "multicast"))]
    return sorted(keep)


def trap(site, tap):
    """start_action = trap on moon: policies without SAs until a packet comes."""
    site.start(child_extra="start_action = trap")
    tap.check("trap: moon has policies", wait_until(lambda: "10.2.0.0/16" in site.moon.ip_xfrm("xfrm policy").stdout, 5))
    tap.equal("trap: moon has no SA", site.spis(site.moon), set())
    got = site.alice.ping(BOB[4], 5, 0.2, wait=4)
    tap.equal("trap: the first ping brings the tunnel up, and none of 5 is lost", got, 5)


def sun_is_silent(site, tap):
    """No SA can be made: sun's diplomat is gone. Pings of both families stay inside."""
    site.iked[site.sun].stop(signal.SIGKILL)
    done = site.moon.pavise("down", "sites", "--force")
    tap.equal("down --force does not wait for a dead peer", done.returncode, 0)
    site.moon.ip_xfrm("xfrm state flush")
    for family in (4, 6):
        seen = leaks(site, BOB[family], lambda f=family: site.alice.ping(BOB[f], 5, 0.05, wait=1))
        tap.equal(f"no SA: nothing for bob leaves in clear (IPv{family})", seen, [])


def dead_executor(site, tap):
    site.xfrmd[site.moon].stop(signal.SIGKILL)
    for family in (4, 6):
        seen = leaks(site, BOB[family], lambda f=family: site.alice.ping(BOB[f], 5, 0.05, wait=1))
        tap.equal(f"executor killed: nothing leaves in clear (IPv{family})", seen, [])
    ear = wire.listen(site.alice, "eth0", "any", 1)
    wire.send(site.cafe, "eth0", wire.mac_of(site.moon, "eth0"), wire.ipv4_icmp_echo(BOB[4], ALICE[4]))
    tap.check("executor killed: nothing enters in clear", ear.packet() is None)


def comes_back(site, tap, before):
    site.iked[site.moon].stop()
    site.xfrmd[site.sun].stop()
    site.xfrmd[site.moon] = site.moon.xfrmd()
    tap.check("a new executor starts on what the dead one left", site.xfrmd[site.moon].alive())
    tap.equal("and stops cleanly", site.xfrmd[site.moon].stop(), 0)
    for host in (site.moon, site.sun):
        left = [line for line in state_of(host) if line not in before[host]]
        tap.equal(f"{host.name}: nothing is left behind", left, [])


def test(lab, tap):
    site = Sites(lab)
    before = {host: state_of(host) for host in (site.moon, site.sun)}
    trap(site, tap)
    sun_is_silent(site, tap)
    dead_executor(site, tap)
    comes_back(site, tap, before)


if __name__ == "__main__":
    main(test, "fails closed")
