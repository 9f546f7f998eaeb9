#!/usr/bin/python3
"""How packets are protected: AH in the place of ESP, IPComp before either, agreed on with Debian's charon in both roles and
both modes.

Here both daemons stand on pavise-xfrmd; the full run repeats it in a real kernel (../shared/realkernel next to the
checkout), where both use the kernel's own AH and IPComp.

    protect_test.py           IPv4 in one mode, IPv6 in the other
    PAVISE_FULL=1 ...         all of them, and in the real kernel
"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
import realkernel
import stock
from lab import Failed, main, wait_until
from stock import Charon, Flow, Iked

FULL = os.environ.get("PAVISE_FULL") == "1"
AH = "ah_proposals = sha256-ecp256"
COMP = Flow.child + "\n        ipcomp = yes"
# The flow, and which SAs it has in one direction.
FLOWS = [
    (Flow(mode="tunnel", family=4, child=AH), ["ah"]),
    (Flow(mode="transport", family=4, child=COMP), ["comp", "esp"]),
    (Flow(mode="transport", family=6, child=AH), ["ah"]),
    (Flow(mode="tunnel", family=6, child=COMP), ["comp", "esp"]),
    (Flow(mode="transport", family=4, child="ah_proposals = sha384"), ["ah"]),
    (Flow(mode="tunnel", family=6, child="ah_proposals = sha512-esn-noesn"), ["ah"]),
    (Flow(mode="tunnel", family=4, encap=True, child=COMP), ["comp", "esp"]),
    (Flow(mode="tunnel", family=4, child=AH + "\n        ipcomp = yes"), ["ah", "comp"]),
]
SHORT = 2  # of them


def states(host, executor):
    """What ip xfrm shows of a host's SAs."""
    return host("ip xfrm state list") if executor == "kernel" else host.ip_xfrm("xfrm state list").stdout


def protocols(said):
    return sorted(re.findall(r"^\s+proto (ah|esp|comp)", said, re.M))


class Pair:
    """charon and pavise-iked with a flow between them."""
    def __init__(self, hosts, flow, executors, tap):
        self.hosts, self.flow, self.executors, self.tap = hosts, flow, executors, tap
        self.name = f"charon ({executors[0]}) - iked ({executors[1]}), {flow}"
        self.below = [host.xfrmd() for host, executor in zip(hosts, executors) if executor == "pavise"]
        self.ends = [kind(host, flow, side, executor=executor).start() for side, (kind, host, executor)
                     in enumerate(zip((Charon, Iked), hosts, executors))]

    def check(self, what, good, detail=""):
        if good is not True:
            detail = f"{good} {detail}\n" + "\n".join(end.log()[-1500:] for end in self.ends)
        return self.tap.check(f"{self.name}: {what}", good is True, detail)

    def ping(self, side):
        mine, peers = self.flow.ends(side)
        # Small ones do not shrink and go as they are.
        done = [self.hosts[side].try_run(["ping", "-n", "-q", "-c", 3, "-i", "0.05", "-W", 2, "-s", size, "-I", mine, peers])
                for size in (16, 1000)]
        return sum(int((re.findall(r"(\d+) received", each.stdout) or [0])[0]) for each in done)

    def up(self, side, want):
        self.check(f"{self.ends[side].name} begins: a tunnel", self.ends[side].up())
        said = [states(host, executor) for host, executor in zip(self.hosts, self.executors)]
        self.tap.equal(f"{self.name}: the SAs of both", [protocols(each) for each in said], [want, want])
        self.tap.equal(f"{self.name}: pings pass both ways", [self.ping(0), self.ping(1)], [6, 6])

    def rekeys(self):
        for end in self.ends:
            before = spis(states(self.hosts[1], self.executors[1]))
            self.check(f"{end.name} rekeys", end.rekey_child())
            fresh = wait_until(lambda b=before: spis(states(self.hosts[1], self.executors[1])) - b, 10, 0.1)
            self.check("there are new SAs", bool(fresh))
            self.tap.equal(f"{self.name}: pings pass after that", self.ping(0), 6)

    def down(self, side):
        self.check(f"{self.ends[side].name} ends it", self.ends[side].down())
        gone = wait_until(lambda: not any(spis(states(h, e)) for h, e in zip(self.hosts, self.executors)), 8, 0.2)
        self.check("no SA is left", bool(gone))

    def close(self):
        for process in [end.process for end in self.ends] + self.below:
            process.stop()


def spis(said):
    return set(re.findall(r"spi (0x[0-9a-f]+)", said))


def session(hosts, flow, sas, executors, tap):
    pair = Pair(hosts, flow, executors, tap)
    for side in (0, 1):
        pair.up(side, sorted(2 * sas))
        if side == 0:
            pair.rekeys()
        pair.down(1 - side)
    pair.close()


def flows(lab, hosts, tap, several, executors):
    for flow, sas in several:
        try:
            session(hosts, flow, sas, executors, tap)
        except Failed as e:
            tap.check(f"{flow}: ran to its end", False, e)
            for process in lab.processes:
                process.stop()


def test(lab, tap):
    why = stock.charon_missing()
    if why:
        tap.skip("AH with charon", why)
        return
    hosts = stock.hosts(lab)
    if realkernel.host_has_esp():
        flows(lab, hosts, tap, FLOWS, ("kernel", "kernel"))
        return
    flows(lab, hosts, tap, FLOWS if FULL else FLOWS[:SHORT], ("pavise", "pavise"))
    lab.close()
    why = realkernel.missing() if FULL else "only in the full run"
    if why:
        tap.skip("in a real kernel", why)
        return
    realkernel.retell(realkernel.again(__file__), tap)


if __name__ == "__main__":
    main(test, "protection agreed on with charon")
