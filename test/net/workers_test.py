#!/usr/bin/python3
"""Gateways with several workers: one UDP port shared with the IKE daemon, a TUN device with several
queues, SAs that each have one owner. TCP in several streams arrives in order and nothing is lost
between the workers, whoever restarts in between."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import PAVISE, main, wait_until
from sites import Sites
from traffic import iperf, received, served

WORKERS = 3
REKEYS = 20
PAUSE = 0.15
SECONDS = 2
# What the sender's TCP has noticed: segments that were late, not lost.
REORDERED = ("TcpExtTCPSACKReorder", "TcpExtTCPRenoReorder", "TcpExtTCPTSReorder")


def stat(host):
    return json.loads(host([PAVISE, "xfrm", "stat", "--json"]))


def reordered(host):
    lines = host(["nstat", "-asz", *REORDERED]).split("\n")
    return sum(int(line.split()[1]) for line in lines if line.startswith("Tcp"))


def streams(site, count):
    """Gbit/s of TCP from alice to bob, and how many segments came late."""
    before = reordered(site.alice)
    end = iperf(site.alice, site.bob, "10.2.0.10", "-t", str(SECONDS), "-P", str(count))
    return received(end) / 1e9, reordered(site.alice) - before


def dropped(host, word):
    return next(drop["count"] for drop in stat(host)["drops"] if drop["word"] == word)


def carries(site, tap, what):
    tap.equal(f"{what}: pings of both families", (site.alice.ping("10.2.0.10", 5), site.alice.ping("fd00:2::10", 5)),
              (5, 5))


def order_is_kept(site, tap, what):
    fast, late = streams(site, 4)
    tap.check(f"{what}: four streams of TCP", fast > 0.01, f"{fast} Gbit/s")
    tap.equal(f"{what}: segments out of order", late, 0)
    for host in (site.moon, site.sun):
        tap.equal(f"{what}: {host.name} lost nothing between workers", dropped(host, "hand-over"), 0)


def one_owner_each(site, tap):
    """Each gateway has one SA out and one in; they lie in one hand, or in two."""
    for host in (site.moon, site.sun):
        workers = stat(host)["workers"]
        tap.equal(f"{host.name} has its workers", len(workers), WORKERS)
        for way in ("packets_in", "packets_out"):
            tap.equal(f"{host.name}: one of them does all {way}", sum(1 for w in workers if w[way]), 1)


def test(lab, tap):
    site = Sites(lab).start(xfrmd_options=["--workers", str(WORKERS)], encap=True)
    site.keep_order()
    site.up()
    carries(site, tap, "ESP in UDP")
    order_is_kept(site, tap, "ESP in UDP")
    one_owner_each(site, tap)

    # The IKE daemon's socket moves to another place of the port's group, and a new one comes behind.
    old = site.iked[site.moon]
    old.stop()
    tap.equal("without the IKE daemon packets still find their worker", site.alice.ping("10.2.0.10", 5), 5)
    site.iked[site.moon] = site.moon.iked(site.config("moon", encap=True))
    site.up()
    carries(site, tap, "after a restart of the IKE daemon")
    # The flow moves to the new SA, which may be another worker's, while the old one is still there.
    tap.check("after a restart of the IKE daemon: the old SAs have gone", site.settled(seconds=30))
    order_is_kept(site, tap, "after a restart of the IKE daemon")

    site.xfrmd[site.moon].stop()
    site.iked[site.moon].stop()
    site.xfrmd[site.moon] = site.moon.xfrmd("--workers", str(WORKERS + 1))
    site.iked[site.moon] = site.moon.iked(site.config("moon", encap=True))
    site.up()
    carries(site, tap, "with another number of workers")

    second = site.moon.start([PAVISE.replace("cli/pavise", "daemon/pavise-xfrmd"), "--socket", "@other", "--port", "4600",
                              "--workers", "2", "--guard", "off", "--table", "221"], "xfrmd-second")
    wait_until(lambda: not second.alive(), 5)
    tap.check("a second executor does not take queues of the same device",
              "in use by another process" in second.output(), second.output())


def raw(lab, tap):
    site = Sites(lab).start(xfrmd_options=["--workers", str(WORKERS)], encap=False)
    site.keep_order()
    site.up()
    carries(site, tap, "raw ESP")
    order_is_kept(site, tap, "raw ESP")
    one_owner_each(site, tap)


def rekeyed(host):
    """Replaces the child SA; false if that took no place."""
    before = host.ip_xfrm("xfrm state list").stdout
    done = host.pavise("rekey", "net-net")
    return done.returncode == 0 and wait_until(lambda: host.ip_xfrm("xfrm state list").stdout != before, 5, 0.05)


def rekeys(lab, tap, encap):
    """The flow goes from one pair of SAs to the next, and no segment overtakes another on the way: before
    successors stayed with their predecessor's worker it was two to six for each rekeying."""
    what = "ESP in UDP" if encap else "raw ESP"
    site = Sites(lab).start(xfrmd_options=["--workers", "2"], encap=encap)
    site.keep_order()
    site.up()
    tap.check(f"{what}, two workers: a ping", site.alice.ping("10.2.0.10", 2) == 2)
    before = reordered(site.alice)
    server = served(site.bob)
    client = site.alice.start(["iperf3", "-c", "10.2.0.10", "-t", "120", "-P", "2"], "iperf3")
    done, carried = 0, stat(site.sun)["inner"]["packets_in"]
    for i in range(REKEYS):
        time.sleep(PAUSE)
        done += rekeyed((site.moon, site.sun)[i % 2])
    tap.equal(f"{what}, two workers: rekeyed under TCP", (done, client.alive()), (REKEYS, True))
    carried = stat(site.sun)["inner"]["packets_in"] - carried
    client.stop()
    server.stop()
    tap.check(f"{what}, two workers: TCP meanwhile", carried > 1000 * REKEYS, carried)
    late = reordered(site.alice) - before
    tap.equal(f"{what}, two workers: segments out of order", late, 0)
    for host in (site.moon, site.sun):
        for word in ("hand-over", "no-sa", "replay"):
            tap.equal(f"{what}, two workers: {host.name} dropped none, {word}", dropped(host, word), 0)


def both(lab, tap):
    test(lab, tap)
    lab.close()
    raw(lab, tap)
    for encap in (True, False) if os.environ.get("PAVISE_FULL") == "1" else (True,):
        lab.close()
        rekeys(lab, tap, encap)


if __name__ == "__main__":
    main(both, "several workers")
