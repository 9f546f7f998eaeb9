#!/usr/bin/python3
"""SAs for single CPUs (RFC 9611): two gateways with two workers each agree on another pair of SAs for each worker that
has packets; the first one serves whoever has none."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import main, wait_until
from sites import ALICE, BOB, Sites

WORKERS = 2


def cpus(host):
    """CPU of each child SA that is for one, and packets that went out by it."""
    said = host.swanctl("--list-sas", "--raw").stdout
    return sorted((int(cpu), int(packets)) for cpu, packets in re.findall(r"cpu=(\d+) .*?packets-out=(\d+)", said))


def flows(site, family):
    """Many flows for two seconds, so that every worker has some."""
    site.alice.try_run(["iperf3", "-c", BOB[family], "-P", 8, "-t", 2, "-b", "4M"], timeout=30)


def test(lab, tap):
    site = Sites(lab)
    site.start(xfrmd_options=("--workers", WORKERS), child_extra="per_cpu_sas = yes")
    for host in (site.alice, site.bob):
        host.start(["iperf3", "-s"], "iperf3")
    site.up()
    tap.equal("one child SA serves all workers at first", len(site.spis(site.moon)), 2)
    both = False
    for family in (4, 6) * 10:  # a need that got lost is told again after 5 s
        flows(site, family)
        both = wait_until(lambda: all(len(cpus(h)) >= WORKERS for h in (site.moon, site.sun)), 2, 0.2)
        if both:
            break
    tap.check("each worker has got SAs of its own", both, (cpus(site.moon), cpus(site.sun)))
    tap.equal("... of different CPUs on each side", [len({cpu for cpu, _ in cpus(h)}) for h in (site.moon, site.sun)],
              [len(cpus(h)) for h in (site.moon, site.sun)])
    before = cpus(site.moon)
    flows(site, 4)
    after = cpus(site.moon)
    tap.check("... and they carry its packets", sum(n for _, n in after) > sum(n for _, n in before) + 100, (before, after))
    tap.equal("pings of both families pass both ways", [site.alice.ping(BOB[4], 5), site.alice.ping(BOB[6], 5),
                                                          site.bob.ping(ALICE[4], 5), site.bob.ping(ALICE[6], 5)], [5] * 4)
    number = len(cpus(site.moon))
    site.moon.pavise("rekey", "net-net")
    tap.equal("pings pass after new keys for all of them", (site.alice.ping(BOB[4], 5), site.alice.ping(BOB[6], 5)), (5, 5))
    same = wait_until(lambda: len(site.spis(site.moon)) == 2 * number + 2, 15, 0.3)
    tap.check("... and there are as many as before", same and len(cpus(site.moon)) == number, (number, cpus(site.moon)))
    asks = [site.iked[h].output().count("acquire job") for h in (site.moon, site.sun)]
    tap.check("nobody asks on and on", max(asks) < 40, asks)
    done = site.moon.pavise("down", "sites")
    gone = wait_until(lambda: not site.spis(site.moon) and not site.spis(site.sun), 15, 0.3)
    tap.check("closed: no SA is left", done.returncode == 0 and gone, site.spis(site.moon) | site.spis(site.sun))


if __name__ == "__main__":
    main(test, "SAs for single CPUs")
