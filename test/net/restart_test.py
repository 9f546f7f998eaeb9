#!/usr/bin/python3
"""Nothing is lost: pings flow while SAs are rekeyed, while the diplomat is killed and comes back, and
while both sides rekey at once."""
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import PAVISE, main, wait_until
from sites import BOB, Sites

TURNS = 12 if os.environ.get("PAVISE_FULL") else 4


class Flood:
    """A ping every 5 ms in the background; lost() waits for its end."""

    def __init__(self, host, target, count):
        self.count = count
        self.process = host.start(["ping", "-n", "-q", "-i", "0.005", "-c", count, "-W", "3", target], "flood")
        time.sleep(0.3)

    def lost(self):
        self.process.popen.wait(self.count * 0.01 + 20)
        found = re.search(r"(\d+) packets transmitted, (\d+) received", self.process.output())
        return int(found[1]) - int(found[2]) if found else f"no result: {self.process.output()}"


def rekeys(site, tap):
    for what, name in (("net-net", "child SA"), ("sites", "IKE SA")):
        for host in (site.moon, site.sun):
            before = site.spis(host)
            flood = Flood(site.alice, BOB[4], 400)
            done = host.pavise("rekey", what)
            tap.equal(f"{host.name} rekeys the {name}: exit status 0", done.returncode, 0)
            tap.equal(f"{host.name} rekeys the {name}: no ping lost", flood.lost(), 0)
            tap.check(f"{host.name} rekeys the {name}: both sides hold the same two SAs", site.settled(), site.spis(host))
            changed = not before & site.spis(host)
            tap.equal(f"{host.name} rekeys the {name}: child SPIs changed", changed, what == "net-net")


def both_at_once(site, tap):
    flood = Flood(site.alice, BOB[4], 1000)
    for what in ("net-net", "net-net", "sites", "net-net"):
        commands = [host.start([PAVISE, "rekey", what, "--vici-socket", host.vici], "rekey")
                    for host in (site.moon, site.sun)]
        for process in commands:
            process.popen.wait(20)
        time.sleep(0.4)
    tap.equal("both sides rekey at once, four times: no ping lost", flood.lost(), 0)
    tap.check("and both sides agree on two SAs", site.settled(), f"{site.spis(site.moon)} {site.spis(site.sun)}")


def by_traffic(site, tap):
    """Rekeying that the executor asks for: soft limits in bytes, packets and time."""
    for limit in ("rekey_packets = 200\nlife_packets = 400\nrand_packets = 0",
                  "rekey_bytes = 20000\nlife_bytes = 60000\nrand_bytes = 0",
                  "rekey_time = 1s\nlife_time = 6s\nrand_time = 0"):
        restart_all(site, child_extra=limit)
        before = site.spis(site.moon)
        flood = Flood(site.alice, BOB[4], 600)
        name = limit.split("\n", maxsplit=1)[0]
        tap.equal(f"{name}: no ping lost", flood.lost(), 0)
        # The inbound SA that was replaced stays a few seconds for packets that are still on their way.
        gone = wait_until(lambda old=before: not old & site.spis(site.moon), 12, 0.5)
        tap.check(f"{name}: the SAs are new ones", gone, f"{before} {site.spis(site.moon)}")


def restart_all(site, **options):
    for daemons in (site.iked, site.xfrmd):
        for process in daemons.values():
            process.stop()
    site.start(**options)
    site.up()


def diplomat_dies(site, tap):
    """Both diplomats in turn, TURNS times, under one flood."""
    flood = Flood(site.alice, BOB[4], 400 * TURNS)
    for turn in range(TURNS):
        host = (site.moon, site.sun)[turn % 2]
        site.iked[host].stop(signal.SIGKILL)
        time.sleep(0.3)
        os.unlink(host.vici)
        site.iked[host] = host.iked(site.config(host.name, **site.options))
        site.up(host=host)
        time.sleep(0.7)
    tap.equal(f"diplomats are killed and come back, {TURNS} times: no ping lost", flood.lost(), 0)
    tap.check("both sides hold the same two SAs in the end", site.settled(seconds=20),
              f"{site.spis(site.moon)} {site.spis(site.sun)}")


def executor_dies(site, tap):
    """SAs go with the executor: the diplomat notices and negotiates anew for the next packet."""
    site.xfrmd[site.moon].stop(signal.SIGKILL)
    site.xfrmd[site.moon] = site.moon.xfrmd()
    good = wait_until(lambda: site.moon.pavise("up", "net-net").returncode == 0 and site.alice.ping(BOB[4], 2) == 2, 20, 0.5)
    tap.check("moon's executor is killed and comes back: traffic flows again", good)


def test(lab, tap):
    site = Sites(lab)
    site.start(inner=(4,))
    site.up()
    rekeys(site, tap)
    both_at_once(site, tap)
    diplomat_dies(site, tap)
    executor_dies(site, tap)
    by_traffic(site, tap)


if __name__ == "__main__":
    main(test, "rekeying and restarts without loss")
