#!/usr/bin/python3
"""Debian's charon and pluto, unmodified, on a kernel without ESP: each with the other, with itself and with
pavise-iked, on pavise-xfrmd (stock.py). Negotiation, trap, ping, TCP, rekeying of both SAs by both sides under traffic,
deletion, restarts and crashes.

    stock_test.py             one flow for each pair, and the crashes for one of them
    PAVISE_FULL=1 ...         all modes, families and encapsulations; crashes for every pair; the same flow as in the short run
                              with two workers in each executor, and all crashes; writes doc/interop-stock.md
    stock_test.py workers     only that with two workers
"""
import json
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
import stock
from lab import Failed, main, wait_until
from stock import DAEMONS, Flow, Flood, spis
from traffic import tcp

FULL = os.environ.get("PAVISE_FULL") == "1"
ONLY_WORKERS = "workers" in sys.argv[1:]
PAIRS = (("charon", "charon"), ("pluto", "charon"), ("charon", "iked"), ("pluto", "iked"))
SHORT = {
    ("charon", "charon"): Flow(trap=True),
    ("pluto", "charon"): Flow(encap=True),
    ("charon", "iked"): Flow(mode="transport", encap=True),
    ("pluto", "iked"): Flow(family=6),
}
# Sent through an SA that its receiver does not have: the sender began too early, or went on too long.
THEIRS = "no-sa"


class Table:
    """doc/interop-stock.md"""
    def __init__(self):
        self.rows = []

    def add(self, *cells):
        self.rows.append("| " + " | ".join(str(c) for c in cells) + " |\n")

    def write(self):
        with open(os.path.join(ROOT, "doc/interop-stock.md"), "w", encoding="utf-8") as out:
            out.write(HEAD + "".join(self.rows))


HEAD = """\
# Stock IKE daemons on Pavise

Debian 12's strongSwan (charon 5.9.8) and Libreswan (pluto 4.10), unmodified, with `libpavise-netlink.so` preloaded, on a
kernel without ESP. Written by `PAVISE_FULL=1 test/interop/stock_test.py`.

*Pings*: lost of those sent, one every 5 ms, while left and right rekey the child SA and then the IKE SA. *Too early*:
packets that came through an SA which the receiver did not have yet. pluto, when its peer rekeys, sends through the new
SA before that peer has heard of it; nobody else does, and no other packet is lost. *2 workers*: each executor has so
many, for one flow of each pair with restarts and crashes of both daemons and both executors (by itself:
`test/interop/stock_test.py workers`). *TCP*: iperf3, one second, everything on two shared
cores.

| left - right | flow | up | pings lost | too early | TCP, Mbit/s | deleted |
|---|---|---|---|---|---|---|
"""


class Session:
    """Two daemons with a flow between them."""
    def __init__(self, hosts, pair, flow, tap, workers=1):
        self.hosts, self.flow, self.tap, self.pair = hosts, flow, tap, pair
        self.what = f"{flow}, {workers} workers" if workers > 1 else str(flow)
        self.name = f"{pair[0]} - {pair[1]}, {self.what}"
        self.options = ("--workers", str(workers))
        self.executors = [host.xfrmd(*self.options) for host in hosts]
        self.daemons = []
        self.orphans = {"0x00000000"}  # SAs whose daemon was killed stay, as in a kernel; so does what waits for a packet
        # The responder first: a trap may be sprung at once.
        for side in (1, 0):
            self.daemons.insert(0, DAEMONS[pair[side]](hosts[side], flow, side).start())

    def check(self, what, good, detail=""):
        if not good:
            detail = f"{detail}\n" + "\n".join(d.log()[-1500:] for d in self.daemons)
        return self.tap.check(f"{self.name}: {what}", good is True or bool(good) is True, detail)

    def ping(self, count=3):
        mine, peers = self.flow.ends(0)
        done = self.hosts[0].try_run(["ping", "-n", "-q", "-c", count, "-i", "0.05", "-W", "2", "-I", mine, peers])
        return f" {count} received" in done.stdout

    def up(self):
        if self.flow.trap:
            return self.check("the first packet makes the tunnel and arrives", self.ping(1))
        said = self.daemons[0].up()
        return self.check("a tunnel", said is True, said)

    def protected(self):
        """What the executors sealed and opened, and nothing else: no clear text on the wire."""
        before = [inner(host) for host in self.hosts]
        good = self.ping(5)
        after = [inner(host) for host in self.hosts]
        self.check("ping passes, and only through the executors", good and all(
            b + 5 <= a for b, a in zip(before[0] + before[1], after[0] + after[1])), f"{before} {after}")

    def tcp(self):
        left, right = self.hosts
        mine, peers = self.flow.ends(0)
        rate = tcp(left, right, peers, bind=mine) / 1e6
        self.check("TCP flows", rate > 10, rate)
        return rate

    def rekeys(self):
        """(sent, lost, of that too early)."""
        drops = [host.xfrm_stat() for host in self.hosts]
        flood = Flood(self.hosts[0], self.flow)
        for daemon in self.daemons:
            for what, act in (("child", daemon.rekey_child), ("IKE", daemon.rekey_ike)):
                sas, ikes = spis(self.hosts[0]), daemon.ike_spis()
                said = act()
                changed = lambda a=sas, i=ikes, d=daemon, w=what: (
                    bool(spis(self.hosts[0]) - a) if w == "child" else d.ike_spis() != i)
                self.check(f"{daemon.name} ({stock.SIDES[daemon.side]}) rekeys the {what} SA",
                           said is True and wait_until(changed, 10), said)
        sent, lost = flood.counts()
        early = sum(host.xfrm_stat()[THEIRS] - before[THEIRS] for host, before in zip(self.hosts, drops))
        other = {w: n - before[w] for host, before in zip(self.hosts, drops) for w, n in host.xfrm_stat().items()
                 if n > before[w] and w != THEIRS}
        ours = lost - early if "pluto" in self.pair else lost
        self.check(f"of {sent} pings meanwhile none is lost" + (f" but {early}, sent too early" if early else ""),
                   sent > 100 and ours <= 0 and not other, f"{lost} lost, {early} sent too early, dropped: {other}")
        return sent, lost, early

    def down(self):
        said = self.daemons[0].down()
        gone = wait_until(lambda: not any(spis(host) - self.orphans for host in self.hosts), 8, 0.2)
        self.check("deleted on both sides", said is True and gone, said)
        return gone

    def calm(self):
        for daemon in self.daemons:
            self.tap.equal(f"{self.name}: {daemon.name} had no request refused", daemon.refused(), [])

    # ---- accidents ----

    def again(self, what, seconds=25):
        """A tunnel as before, by whatever an operator does: up, and if need be down and up."""
        def works():
            left = self.daemons[0]
            if left.up() is True and self.ping():
                return True
            left.down()
            return left.up() is True and self.ping()
        self.check(f"{what}: traffic flows again", wait_until(works, seconds, 0.5))

    def restarts(self, side):
        daemon = self.daemons[side]
        daemon.stop()
        daemon.start()
        self.again(f"{daemon.name} ({stock.SIDES[side]}) restarts")

    def dies(self, side):
        daemon = self.daemons[side]
        flood = Flood(self.hosts[0], self.flow)
        daemon.kill()
        self.orphans |= spis(self.hosts[side])
        flood.await_sent(200)
        sent, lost = flood.counts()
        self.check(f"{daemon.name} ({stock.SIDES[side]}) is killed: its SAs carry on", sent > 50 and lost == 0,
                   f"{lost} of {sent} lost")
        daemon.start()
        self.again(f"{daemon.name} ({stock.SIDES[side]}) is killed and comes back")

    def executor_dies(self, side):
        """Nobody helps: what the program had asked for is there again, and new SAs are agreed upon."""
        what = f"pavise-xfrmd ({stock.SIDES[side]}) is killed"
        self.executors[side].stop(signal.SIGKILL)
        self.check(f"{what}: nothing gets through", not self.ping(1))
        self.executors[side] = self.hosts[side].xfrmd(*self.options)
        self.check(f"{what} and comes back: traffic flows again by itself", wait_until(lambda: self.ping(1), 20, 0.2))
        self.protected()

    def close(self):
        for process in [d.process for d in self.daemons] + self.executors:
            process.stop()


def inner(host):
    done = json.loads(host([stock.PAVISE, "xfrm", "stat", "--json"]))["inner"]
    return [done["packets_in"], done["packets_out"]]


def session(hosts, pair, flow, tap, table, accidents, workers):
    s = Session(hosts, pair, flow, tap, workers)
    if s.up():
        s.protected()
        rate = s.tcp()
        sent, lost, early = s.rekeys()
        s.calm()
        for accident, side in accidents:
            accident(s, side)
        gone = s.down()
        table.add(f"{pair[0]} - {pair[1]}", s.what, "yes", f"{lost} of {sent}", early, f"{rate:.0f}", "yes" if gone else "no")
    s.close()


ACCIDENTS = [(what, side) for what in (Session.restarts, Session.dies, Session.executor_dies) for side in (0, 1)]
SHORT_ACCIDENTS = [(Session.restarts, 1), (Session.dies, 0), (Session.executor_dies, 1)]


def flows(pair):
    """(flow, accidents, workers)"""
    if FULL or ONLY_WORKERS:
        yield SHORT[pair], ACCIDENTS, 2
    if ONLY_WORKERS:
        return
    if not FULL:
        yield SHORT[pair], SHORT_ACCIDENTS if pair == ("pluto", "charon") else (), 1
        return
    for mode in ("tunnel", "transport"):
        for family in (4, 6):
            for encap in (False, True):
                yield Flow(mode, encap, family), ACCIDENTS if family == 4 and mode == "tunnel" else (), 1
            yield Flow(mode, False, family, trap=True), (), 1


def test(lab, tap):
    missing = {"charon": stock.charon_missing(), "pluto": stock.libreswan_fetch(lab), "iked": ""}
    hosts, table = stock.hosts(lab), Table()
    for pair in PAIRS:
        why = missing[pair[0]] or missing[pair[1]]
        if why:
            tap.skip(f"{pair[0]} - {pair[1]}", why)
            continue
        for flow, accidents, workers in flows(pair):
            began = time.monotonic()
            try:
                session(hosts, pair, flow, tap, table, accidents, workers)
            except Failed as e:
                tap.check(f"{pair[0]} - {pair[1]}, {flow}: ran to its end", False, e)
                for process in lab.processes:
                    process.stop()
            tap.note(f"{time.monotonic() - began:.1f} s")
    if FULL and not ONLY_WORKERS and not tap.failed:
        table.write()


if __name__ == "__main__":
    main(test, "stock IKE daemons on pavise-xfrmd")
