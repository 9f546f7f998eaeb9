#!/usr/bin/python3
"""Many SAs and policies, loaded through the real pavise-xfrmd by stock `ip xfrm`: loading, finding,
listing and deleting take a time per item that does not grow with their number, memory per item is
bounded, and the daemon answers meanwhile. Times are those that the daemon had a CPU for, so that others
may be busy, too. PAVISE_FULL=1: 100,000 of each."""
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import main, wait_until

FULL = bool(os.environ.get("PAVISE_FULL"))
MANY = 100_000 if FULL else 10_000
FEW = MANY // 10
PATIENCE = 300  # seconds for one batch
GROWTH = 3.0  # an item's time among MANY against its time among FEW; a linear search would make it 10
SA_BYTES, POLICY_BYTES = 8192, 8192  # of the whole daemon: the guard's and the routes' bookkeeping, too
KEY = "0x" + "0123456789abcdef" * 2 + "cafebabe"


def address(net, i):
    return f"{net}.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}"


def states(verb, first, last):
    for i in range(first, last):
        name = f"src 192.0.2.1 dst {address(100, i)} proto esp spi {0x1000 + i}"
        yield (f"xfrm state add {name} reqid {i + 1} mode tunnel aead rfc4106(gcm(aes)) {KEY} 128 replay-window 32"
               if verb == "add" else f"xfrm state delete {name}")


def policies(verb, first, last):
    for i in range(first, last):
        name = f"src 192.168.0.0/16 dst {address(10, i)}/32 dir in"
        tmpl = f"tmpl src {address(100, i)} dst 192.0.2.1 proto esp reqid {i + 1} mode tunnel"
        yield f"xfrm policy add {name} {tmpl}" if verb == "add" else f"xfrm policy delete {name}"


def memory(daemon):
    with open(f"/proc/{daemon.pid}/status", encoding="ascii") as file:
        return 1024 * next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def cpu(daemon):
    """Seconds that it had a CPU."""
    total = 0
    for task in os.listdir(f"/proc/{daemon.pid}/task"):
        with open(f"/proc/{daemon.pid}/task/{task}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def batch(host, daemon, lines):
    """What one of these lines of `ip -batch` costs the daemon; (seconds, what ip complained about)."""
    with tempfile.NamedTemporaryFile("w", suffix=".batch") as file:
        count = 0
        for line in lines:
            file.write(line + "\n")
            count += 1
        file.flush()
        begin = cpu(daemon)
        done = host.ip_xfrm(f"-batch {file.name}", timeout=PATIENCE)
    return (cpu(daemon) - begin) / count, (done.stdout + done.stderr)[:300]


def load(tap, host, daemon, what, make, limit):
    before = memory(daemon)
    first, said = batch(host, daemon, make("add", 0, FEW))
    tap.equal(f"the first {FEW} {what} are taken", said, "")
    second, said = batch(host, daemon, make("add", FEW, MANY))
    tap.equal(f"and all {MANY}", said, "")
    tap.note(f"{what}: {1e6 * first:.0f} us each among the first {FEW}, {1e6 * second:.0f} us each up to {MANY}")
    tap.check(f"{what}: an item's time does not grow with their number", second < GROWTH * first + 20e-6,
              (first, second))
    each = (memory(daemon) - before) / MANY
    tap.note(f"{what}: {each:.0f} bytes of the daemon's memory each")
    tap.check(f"{what}: at most {limit} bytes each", each < limit, each)


def find(tap, host):
    begin = time.monotonic()
    for i in range(7, MANY, MANY // 10):
        got = host.ip_xfrm(f"xfrm state get src 192.0.2.1 dst {address(100, i)} proto esp spi {0x1000 + i}").stdout
        tap.check(f"SA {i} is the one asked for", f"reqid {i + 1} " in got and address(100, i) in got, got)
        got = host.ip_xfrm(f"xfrm policy get src 192.168.0.0/16 dst {address(10, i)}/32 dir in").stdout
        tap.check(f"policy {i} is the one asked for", f"reqid {i + 1} " in got, got)
    tap.note(f"one question, with the start of `ip`: {1000 * (time.monotonic() - begin) / 20:.1f} ms")


def dump(tap, host, daemon, n):
    """What lists of all SAs and all policies cost the daemon, in seconds; there are n of each."""
    spent = {}
    for what in ("state", "policy"):
        begin = cpu(daemon)
        got = host.ip_xfrm(f"xfrm {what}", timeout=PATIENCE).stdout
        spent[what] = cpu(daemon) - begin
        tap.note(f"list of {n} ({what}): {1e3 * spent[what]:.1f} ms")
        tap.equal(f"the list of {n} is complete ({what})", sum(line.startswith("src ") for line in got.split("\n")), n)
    return spent


def test(lab, tap):
    host = lab.host("gate")
    daemon = host.xfrmd("--guard", "off")
    load(tap, host, daemon, "SAs", states, SA_BYTES)
    load(tap, host, daemon, "policies", policies, POLICY_BYTES)
    find(tap, host)
    many = dump(tap, host, daemon, MANY)
    for what, make in (("SAs", states), ("policies", policies)):
        each, said = batch(host, daemon, make("delete", FEW, MANY))
        tap.equal(f"{what} are deleted one by one", said, "")
        tap.note(f"{what}: {1e6 * each:.0f} us to delete one")
    few = dump(tap, host, daemon, FEW)
    for what, spent in many.items():
        tap.check(f"a list takes a time in proportion to its length ({what})",
                  spent < GROWTH * few[what] * MANY / FEW + 0.02, (spent, few[what]))
    begin = cpu(daemon)
    host.ip_xfrm("xfrm state flush")
    host.ip_xfrm("xfrm policy flush")
    tap.check("nothing is left", wait_until(lambda: not host.ip_xfrm("xfrm state").stdout.strip() and
                                            not host.ip_xfrm("xfrm policy").stdout.strip(), 30))
    tap.check("and that was quick", cpu(daemon) - begin < 1, cpu(daemon) - begin)


if __name__ == "__main__":
    main(test, "many SAs and policies")
