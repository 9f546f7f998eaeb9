#!/usr/bin/python3
"""NAT keepalives that pavise-xfrmd sends of itself, as they are on the wire: one byte 0xff from and to
the SA's ports while nothing else leaves by that SA, and none while something does. And dummy packets, which
cover an SA's silence: at their rate, all of one length, discarded by the peer in silence."""
import os
import re
import struct
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path += [os.path.join(ROOT, "test/net"), os.path.join(ROOT, "test/interop")]
import contract
import contract_wire as nl
from lab import PRELOAD, main, wait_until

ME = os.path.abspath(__file__)
EVERY = 2  # seconds
RATE = 20  # dummy packets a second
PAD = 600
ENDS = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}


def request(family):
    """NEWSA with XFRMA_NAT_KEEPALIVE_INTERVAL, for which stock ip(8) has no word yet."""
    src, dst = ENDS[family]
    return nl.message("NEWSA", nl.usersa(src, dst, 0x100, flags=32), nl.GCM, nl.encap(2, 4500, 1025),
                      nl.attr(nl.SA_DIR, b"\2"), nl.attr(nl.NAT_KEEPALIVE, EVERY))


def cover(way):
    """NEWSA of an SA with TFC padding, "out" or "in"."""
    padding = [nl.attr(nl.TFCPAD, struct.pack("=I", PAD))] if way == "out" else []
    return nl.message("NEWSA", nl.usersa(*ENDS[4], 0x200, flags=32, window=0 if way == "out" else 32), nl.GCM,
                      nl.attr(nl.SA_DIR, b"\2" if way == "out" else b"\1"), *padding)


def add(what):
    """In the executor's host, by the preload library."""
    error, _, sentence, _ = contract.Port().ask(request(int(what)) if what.isdigit() else cover(what))
    sys.exit(f"errno {error}: {sentence}" if error else 0)


def seen(dump, family):
    """The moments of keepalives."""
    src, dst = ENDS[family]
    ends = [f"{src}.4500 > {dst}.1025: {what}" for what in ("UDP, length 1", "isakmp-nat-keep-alive")]
    lines = [line for line in dump.output().split("\n") if any(line.rstrip().endswith(end) for end in ends)]
    return [float(line.split()[0]) for line in lines]


def gaps(moments):
    return [round(b - a, 1) for a, b in zip(moments, moments[1:])]


def carried(host):
    """Packets of the one SA, by `ip -s xfrm state`."""
    shown = host.ip_xfrm("-s xfrm state").stdout
    return int(re.search(r"lifetime current:\s+\d+\(bytes\), (\d+)\(packets\)", shown)[1])


def dummies(tap, moon, sun):
    dump = sun.start(["tcpdump", "-n", "-l", "--immediate-mode", "-i", "eth0", "proto 50"], "tcpdump")
    dump.wait_for("listening", 5)
    receiver = sun.xfrmd()
    sender = moon.xfrmd("--dummy-traffic", RATE, "--workers", 2)
    for host, way in ((sun, "in"), (moon, "out")):
        done = host.try_run(["env", f"LD_PRELOAD={PRELOAD}", "/usr/bin/python3", ME, "add", way])
        tap.equal(f"an SA {way}, to be covered: taken", (done.returncode, done.stderr), (0, ""))
    wait_until(lambda: carried(sun) > 0, 5)
    begin, before = time.time(), carried(sun)
    time.sleep(2)
    rate = (carried(sun) - before) / (time.time() - begin)
    tap.check("a silent SA sends dummy packets at its rate", RATE / 2 <= rate <= RATE * 1.5, rate)
    tap.equal("which the peer discards without a word", sum(sun.xfrm_stat().values()), 0)
    lengths = set(re.findall(r"\), length (\d+)", dump.output()))
    tap.check("all of one length, that of the padding", len(lengths) == 1 and int(lengths.pop()) > PAD, lengths)
    for process in (dump, sender, receiver):
        process.stop()


def test(lab, tap):
    moon, sun = lab.host("moon"), lab.host("sun")
    lab.wire(moon, "eth0", sun, "eth0")
    for host, side in ((moon, 0), (sun, 1)):
        host(f"ip address add {ENDS[4][side]}/24 dev eth0")
        host(f"ip address add {ENDS[6][side]}/64 dev eth0 nodad")
    moon("ip address add 10.1.0.1/32 dev lo")
    keeper = moon.xfrmd()
    dump = sun.start(["tcpdump", "-n", "-tt", "-l", "--immediate-mode", "-x", "-i", "eth0", "udp dst port 1025"],
                     "tcpdump")
    dump.wait_for("listening", 5)
    started = time.time()
    for family in (4, 6):
        done = moon.try_run(["env", f"LD_PRELOAD={PRELOAD}", "/usr/bin/python3", ME, "add", family])
        tap.equal(f"IPv{family}: the SA is taken", (done.returncode, done.stderr), (0, ""))
    for family in (4, 6):
        wait_until(lambda f=family: len(seen(dump, f)) >= 3, 15)
        moments = seen(dump, family)
        tap.check(f"IPv{family}: a keepalive comes, not before its time",
                  moments and moments[0] - started >= EVERY - 0.1, moments)
        tap.check(f"IPv{family}: then one after the other", len(moments) >= 3 and all(
            EVERY - 0.1 <= gap <= EVERY + 2.5 for gap in gaps(moments)), gaps(moments))
    for family, last in ((4, r"0x0010:(\s+\w{4}){6}\s+ff$"), (6, r"0x0030:\s+ff$")):  # behind 28 and 48 bytes
        shown = [line for line in dump.output().split("\n") if re.search(last, line.rstrip())]
        tap.check(f"IPv{family}: it is the byte 0xff", len(shown) >= 3, dump.output())
    moon.ip_xfrm("xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/16 dir out"
                 " tmpl src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel")
    ping = moon.start("ping -n -q -i 0.4 -w 8 10.2.0.1", "ping")
    time.sleep(1.5)  # what was due already may still come
    before = len(seen(dump, 4)), len(seen(dump, 6))
    time.sleep(2.5 * EVERY)
    tap.equal("none beside traffic of the SA", len(seen(dump, 4)), before[0])
    tap.check("the other SA goes on", len(seen(dump, 6)) > before[1])
    ping.stop()
    moon.ip_xfrm("xfrm state flush")
    time.sleep(0.3)
    before = len(seen(dump, 6))
    time.sleep(EVERY + 1.5)
    tap.equal("nor after the end of the SA", len(seen(dump, 6)), before)
    for process in (dump, keeper):
        process.stop()
    dummies(tap, moon, sun)


if __name__ == "__main__":
    if sys.argv[1:2] == ["add"]:
        add(sys.argv[2])
    main(test, "NAT keepalives by the executor")
