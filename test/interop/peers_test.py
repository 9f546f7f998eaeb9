#!/usr/bin/python3
"""pavise-iked against Debian's strongSwan and Libreswan, in both roles: pre-shared keys, RSA and ECDSA certificates,
tunnel and transport mode, ESP in UDP, a NAT in between, a change of address; both rekey the child SA and the IKE SA.

Here all stand on pavise-xfrmd. The full run goes on in a real kernel (../shared/realkernel next to the checkout), where the
peer uses the kernel's own ESP and pavise-iked that as well (`executor = kernel`) or pavise-xfrmd; it writes
doc/interop.md.

    peers_test.py                 certificates with both peers, on pavise-xfrmd
    PAVISE_FULL=1 peers_test.py   everything
    peers_test.py PEER EXECUTOR   what one boot of the real kernel does
"""
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
import realkernel
import stock
from lab import ROOT, Failed, main, wait_until
from stock import BEHIND, DAEMONS, OUTER, Flow

FULL = os.environ.get("PAVISE_FULL") == "1"
PEERS = {"charon": "strongSwan 5.9.8", "pluto": "Libreswan 4.10"}
MOVED = "192.0.2.77"
BOOT_SECONDS = 1500
PLUTOS_DPD = 60  # its requests that cross one of ours break its window: see DOC
SHORT = [("charon", Flow(auth="ecdsa", family=6)), ("pluto", Flow(auth="rsa")), ("pluto", Flow(auth="ecdsa", family=6))]
# Left in turns: the peer, pavise-iked. Each begins once and answers once, but for those behind a NAT.
FLOWS = [
    Flow(),
    Flow(mode="transport", family=6),
    Flow(family=6, encap=True),
    Flow(mode="transport", auth="rsa"),
    Flow(auth="rsa", family=6),
    Flow(auth="ecdsa", encap=True),
    Flow(mode="transport", family=6, auth="ecdsa"),
]


def spis(host, executor):
    said = host("ip xfrm state list") if executor == "kernel" else host.ip_xfrm("xfrm state list").stdout
    return set(re.findall(r"spi (0x[0-9a-f]+)", said))


class Pair:
    """Two daemons with a flow between them. names: (left, right); below: their executors."""

    def __init__(self, hosts, names, below, flow, tap):
        self.hosts, self.names, self.below, self.flow, self.tap = hosts, names, below, flow, tap
        self.what = " - ".join(f"{name} ({executor})" for name, executor in zip(names, below)) + f", {flow}"
        self.good, self.lost = True, 0
        self.xfrmds = [host.xfrmd() for host, executor in zip(hosts, below) if executor == "pavise"]
        self.ends = [DAEMONS[name](host, flow, side, executor=executor).start()
                     for side, (name, host, executor) in enumerate(zip(names, hosts, below))]

    def check(self, what, good, detail=""):
        self.good &= good is True
        if good is not True:
            detail = f"{good} {detail}\n" + "\n".join(end.log()[-2500:] for end in self.ends)
        return self.tap.check(f"{self.what}: {what}", good is True, detail)

    def spis(self):
        return [spis(host, executor) for host, executor in zip(self.hosts, self.below)]

    def pings(self, what):
        got = []
        for side in (0, 1):
            mine, peers = self.flow.ends(side)
            done = self.hosts[side].try_run(["ping", "-n", "-q", "-c", 5, "-i", "0.1", "-W", 2, "-s", 1000, "-I", mine, peers])
            got.append(int((re.findall(r"(\d+) received", done.stdout) or [0])[0]))
        self.check(f"pings pass {what}", got == [5, 5], got)

    def up(self, side):
        self.check(f"{self.names[side]} begins: an SA in both directions", self.ends[side].up())
        self.check("both have the same SAs", wait_until(lambda: len(set.union(*self.spis())) == 2, 30, 0.2), self.spis())
        self.pings(f"when {self.names[side]} began")

    def rekey(self, side):
        name, before = self.names[side], self.spis()
        self.check(f"{name} rekeys the child SA", self.ends[side].rekey_child())
        fresh = wait_until(lambda: all(now - old for now, old in zip(self.spis(), before)), 30, 0.2)
        self.check(f"{name} rekeyed: new SAs on both sides", fresh)
        ike = self.ends[side].ike_spis()
        self.check(f"{name} rekeys the IKE SA", self.ends[side].rekey_ike())
        self.check(f"{name} rekeyed: another IKE SA", wait_until(lambda: self.ends[side].ike_spis() != ike, 30, 0.2))
        self.pings(f"after {name} has rekeyed")

    def down(self, side):
        self.check(f"{self.names[side]} ends it", self.ends[side].down())
        self.check("no SA is left", wait_until(lambda: not any(self.spis()), 30, 0.2), self.spis())

    def close(self):
        for process in [end.process for end in self.ends] + self.xfrmds:
            process.stop()


def both_roles(pair):
    """Ended by the one who answered; but pluto opens again what it has begun and another one ends."""
    for side in (0, 1):
        pair.up(side)
        if side == 0:
            pair.rekey(0)
            pair.rekey(1)
        pair.down(side if "pluto" in pair.names else 1 - side)


def behind_nat(pair):
    pair.up(0)
    pair.rekey(0)
    pair.rekey(1)
    pair.down(0)


def moves(pair):
    """left takes another address, and comes back."""
    left = pair.hosts[0]
    left.sysctl(net__ipv4__conf__all__promote_secondaries=1, net__ipv4__conf__eth0__promote_secondaries=1)
    pair.up(0)
    before = pair.spis()[0]
    for new, old in ((MOVED, OUTER[4][0]), (OUTER[4][0], MOVED)):
        left(f"ip address add {new}/24 dev eth0")
        left(f"ip route replace {OUTER[4][1]}/32 dev eth0 src {new}")
        left(f"ip address del {old}/24 dev eth0")
        time.sleep(1)
        pair.check(f"left moves to {new}", wait_until(lambda: pair.hosts[1].try_run(
            ["ping", "-n", "-q", "-c", 1, "-W", 1, "-I", *pair.flow.ends(1)]).returncode == 0, 60, 0.3))
        pair.pings(f"from {new}")
    pair.check("its SAs are the same ones", pair.spis()[0] == before, (pair.spis(), before))
    pair.down(0)
    left(f"ip route del {OUTER[4][1]}/32")


TOO_SLOW = (Failed, subprocess.TimeoutExpired)


def stop_all(lab):
    for process in lab.processes:
        process.stop()


def session(lab, hosts, names, below, flow, tap, walk=both_roles):
    began = time.monotonic()
    if "pluto" in names:
        flow = replace(flow, dpd=PLUTOS_DPD)
    try:
        try:
            pair = Pair(hosts, names, below, flow, tap)
        except TOO_SLOW as e:
            tap.note(f"{names[0]} - {names[1]}, {flow}: starts again: {e}")
            stop_all(lab)
            pair = Pair(hosts, names, below, flow, tap)
        walk(pair)
        pair.close()
        good, what = pair.good, pair.what
    except TOO_SLOW as e:
        good, what = False, f"{names[0]} - {names[1]}, {flow}"
        tap.check(f"{what}: ran to its end", False, e)
        stop_all(lab)
    tap.note(f"row|{flow}|{names[0]} - {names[1]}|"
             f"{'yes' if good else 'NO'}|{time.monotonic() - began:.1f} s")


def in_this_kernel(lab, tap, peer, executor):
    """What a kernel with ESP shows of one peer and one executor of ours."""
    why = {"charon": stock.charon_missing, "pluto": lambda: stock.libreswan_fetch(lab)}[peer]()
    if why:
        tap.skip(peer, why)
        return
    below = {peer: "kernel", "iked": executor}
    orders = [(peer, "iked"), ("iked", peer)]
    hosts = stock.hosts(lab)
    for i, flow in enumerate(FLOWS):
        session(lab, hosts, orders[i % 2], [below[name] for name in orders[i % 2]], flow, tap)
    # pluto is moved by its %defaultroute, which this net has not.
    for names in orders if peer == "charon" else orders[1:]:
        session(lab, hosts, names, [below[name] for name in names], Flow(moves=True), tap, moves)
    apart = stock.hosts_apart(lab)
    for names in orders:
        session(lab, apart, names, [below[name] for name in names], Flow(nat=True, auth="rsa"), tap, behind_nat)


# ---- the table ----

class Table:
    def __init__(self):
        self.rows = []

    def add(self, peer, executor, note):
        flow, order, good, _seconds = note.split("|")[1:]
        self.rows.append(f"| {PEERS[peer]} | {executor} | {flow} | {order} | {good} |")

    def write(self):
        text = DOC + "\n".join(self.rows) + "\n"
        with open(os.path.join(ROOT, "doc/interop.md"), "w", encoding="utf-8") as file:
            file.write(text)


DOC = """\
# With whom pavise-iked works

Debian 12's strongSwan (charon) and Libreswan (pluto), unmodified, with the ESP of a Linux 6.1 kernel, and pavise-iked
with that kernel (`--executor kernel`) or with pavise-xfrmd in its place. Written by `PAVISE_FULL=1
test/interop/peers_test.py`, which boots that kernel in user mode.

In each row the tunnel is opened by either side in turn, used by pings of both, rekeyed by both (child SA, then IKE SA), and
closed (with strongSwan by the other side, with Libreswan by the one that has opened it), which leaves no SA behind. In two kinds
of rows only left opens it. *left moves*: it takes another address and comes back (MOBIKE, RFC 4555); the SAs stay. *left behind a
NAT*: ESP goes in UDP. Where no certificate is named there is a pre-shared key; RSA is a certificate of 3072 bits, sent in IKE
fragments (RFC 7383).

What Libreswan 4.10 cannot do: a request of its own that crosses one of the peer's breaks its message window ("EXPECTATION
FAILED: ... responder.recv == ... responder.sent", then it drops answers and works on repeated requests twice), so signs of
life are a minute apart here. It agrees on MOBIKE only with a peer that it expects anywhere (`right=%any`), and follows its own
change of address only by %defaultroute, which this net has not, so it does not move itself.

More: [stock daemons on pavise-xfrmd](interop-stock.md), which has every pairing of charon, pluto and pavise-iked without
kernel ESP; `test/interop/strongswan_test.py`, `strongswan_cert_test.py`, `road_strongswan_test.py`, `eap_strongswan_test.py`, `mobike_test.py` against
strongSwan's own user-space ESP, and `strongswan6_test.py` for ML-KEM where a strongSwan 6 is at hand.

| peer | pavise-iked with | flow | left - right | works |
|---|---|---|---|---|
"""


def boot(peer, executor):
    """The finished process of a guest with this test in it."""
    return realkernel.again(__file__, peer, executor, seconds=BOOT_SECONDS, mem=768)


def report(peer, executor, done, tap, table):
    def note(line):
        if line.startswith("row|"):
            table.add(peer, executor, line)
            return
        tap.note(line)
    realkernel.retell(done, tap, f"{peer}, {executor}: the real kernel's tests", note)


def on_pavise(lab, tap):
    missing = {"charon": stock.charon_missing(), "pluto": stock.libreswan_fetch(lab)}
    hosts = stock.hosts(lab)
    for peer, flow in SHORT:
        if missing[peer]:
            tap.skip(f"{peer}, {flow}", missing[peer])
            continue
        session(lab, hosts, (peer, "iked"), ("pavise", "pavise"), flow, tap)


def test(lab, tap):
    if len(sys.argv) == 3:
        in_this_kernel(lab, tap, *sys.argv[1:])
        return
    on_pavise(lab, tap)
    if not FULL:
        return
    if realkernel.missing():
        tap.skip("in a real kernel", realkernel.missing())
        return
    table = Table()
    guests = [(peer, executor) for peer in PEERS for executor in ("kernel", "pavise")]
    with ThreadPoolExecutor(max_workers=2) as pool:
        for guest, done in zip(guests, pool.map(lambda guest: boot(*guest), guests)):
            report(*guest, done, tap, table)
    if not tap.failed:
        table.write()


if __name__ == "__main__":
    main(test, "pavise-iked and its peers")
