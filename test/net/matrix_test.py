#!/usr/bin/python3
"""The kernel as the judge: pavise-xfrmd on one side, the XFRM of a real Linux kernel on the other, for every mode, stack of
protocols, algorithm, pair of address families, ESN and replay window (matrix.py says which cells).

In each cell the same `ip xfrm` commands go to both, `ip xfrm` must then print the same from both, and from both sides pings
of 56, 3000 and 8000 bytes, UDP datagrams of 64 KiB and TCP connections go there and come back, every byte compared.
The first ping is the first packet of its SAs.

Needs the test bed that boots a kernel with ESP, AH and IPComp (../shared/realkernel next to the checkout). The short run
takes a few cells of every kind; `./dev test full`, or this program with PAVISE_FULL=1, takes all of them and writes
doc/kernel-matrix.md. Arguments, regular expressions, choose the cells whose titles match all of them."""
import ctypes
import difflib
import json
import os
import platform
import re
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import matrix
import realkernel
from lab import PRELOAD, ROOT, Failed, main, wait_until
from matrix import HOST, INNER
from modes_kernel_test import MAC, beside_a_kernel
from wire import mac_of

END = os.path.join(ROOT, "test/net/matrix_end.py")
DOC = os.path.join(ROOT, "doc/kernel-matrix.md")
PORT = 9000
KERNEL = 1  # its side
ROOM = 307  # for the headers of the largest stack
DESK = ("10.255.255.1", "10.255.255.2")  # the cable that orders to the guest take
FULL = bool(os.environ.get("PAVISE_FULL"))
SECONDS = 1700  # for all cells

GUEST = f"""
ip link set lo up
ip link set vec0 address {MAC} up mtu 1500
ip link set vec1 up
ip address add {DESK[1]}/24 dev vec1
ip address add {HOST[4][1]}/24 dev vec0
ip address add {HOST[6][1]}/64 dev vec0 nodad
ip address add {INNER[4][1]}/32 dev lo
ip address add {INNER[6][1]}/128 dev lo nodad
ip route add {INNER[4][0]}/32 via {HOST[4][0]} src {INNER[4][1]}
ip -6 route add {INNER[6][0]}/128 via {HOST[6][0]} src {INNER[6][1]}
ip -6 neigh replace {HOST[6][0]} lladdr $PEER dev vec0 nud permanent
exec /usr/bin/python3 {END} {PORT} --encap
"""

FLUSH = ("xfrm state flush", "xfrm policy flush")
LIST = {"state": "state list", "policy": "policy list nosock"}  # without those of the sockets for ESP in UDP

# kind, size, size of the answer or number of the pattern
PINGS = [("ping", 56, 1), ("ping", 3000, 2), ("ping", 8000, 3)]
TCP_BYTES = (2 << 20, 1 << 20)  # by who connects; as much comes back


class End:
    """The program of matrix_end.py on one side."""

    def __init__(self, name, sock, env):
        self.name, self.env = name, env
        sock.settimeout(120)
        self.talk = sock.makefile("rw", encoding="utf-8")

    def say(self, **order):
        self.talk.write(json.dumps(order) + "\n")
        self.talk.flush()

    def hear(self):
        line = self.talk.readline()
        answer = json.loads(line) if line else {"bad": "it is gone"}
        if "bad" in answer:
            raise Failed(f"{self.name}: {answer['bad']}")
        return answer["good"]

    def batch(self, lines):
        self.say(op="run", command=["ip", "-s", "-force", "-batch", "-"], env=self.env, input="\n".join(lines) + "\n")


def connect(host, address, alive):
    """A TCP connection out of a host's network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    found = []

    def attempt():
        with open("/proc/self/ns/net", encoding="utf-8") as home, open(f"/run/netns/{host.ns}", encoding="utf-8") as there:
            if libc.setns(there.fileno(), 0):
                raise Failed(f"setns: {os.strerror(ctypes.get_errno())}")
            try:
                found.append(socket.create_connection((address, PORT), 1))
            except OSError:
                time.sleep(0.1)
            finally:
                libc.setns(home.fileno(), 0)
        return found or not alive()

    if not wait_until(attempt, 60) or not found:
        raise Failed(f"no answer from {address}")
    return found[0]


def bed(lab):
    """moon with pavise-xfrmd, a real kernel at the other end of its cable; ([End, End], moon)."""
    moon, cable = beside_a_kernel(lab, "eth1")
    moon(f"ip address add {DESK[0]}/24 dev eth1")
    guest = cable.start([realkernel.BED, "--timeout", SECONDS, "--env", f"PEER={mac_of(moon, 'eth0')}", "--raw", "eth0", "--raw", "eth1",
                         cable.file("guest.sh", GUEST)], "guest")
    moon.xfrmd("--legacy")
    here = moon.start(["/usr/bin/python3", END, PORT], "end")
    ends = [End("pavise-xfrmd", connect(moon, "127.0.0.1", here.alive), {"LD_PRELOAD": PRELOAD}),
            End("kernel", connect(moon, DESK[1], guest.alive), {})]
    return ends, moon


# ---- one cell ----

def comparable(text):
    """The lines of `ip -s xfrm ... list` without times, counters and order. The policies of one side mirror the other's."""
    text = re.sub(r"add \d{4}-\S+ \S+ use (-|\d{4}-\S+ \S+)", "add TIME use TIME", text)
    text = re.sub(r"\d+\(bytes\), \d+\(packets\)", "COUNT(bytes), COUNT(packets)", text)
    text = re.sub(r"dir (in|out) action (\w+) index \d+", r"dir WAY action \2 index N", text)
    text = re.sub(r"proto 41 spi \S+", "proto 41 spi N", text)  # a running number, which a collector gives back some time
    text = text.replace("level use", "level required")
    blocks = sorted(re.split(r"\n(?=src )", text.strip()))
    return "\n".join(blocks).split("\n")


def set_up(ends, cell):
    """The commands go to both; what is wrong with the answers, as text. Policies come when the states of both sides have been
    compared: until then nothing can use them."""
    wrong = []
    for what in ("state", "policy"):
        for side, end in enumerate(ends):
            mine = [c for c in matrix.commands(cell, side) if c.startswith(f"xfrm {what} ")]
            end.batch([*(FLUSH if what == "state" else ()), *mine, f"xfrm {LIST[what]}"])
        said = [end.hear() for end in ends]
        refused = [f"{end.name} refuses: {done['err'].strip()}" for end, done in zip(ends, said) if done["err"]]
        if refused:
            return refused
        ours, theirs = (comparable(done["out"]) for done in said)
        if ours != theirs:
            wrong.append(f"`ip xfrm {what}` differs:\n" + "\n".join(
                difflib.unified_diff(theirs, ours, "kernel", "pavise-xfrmd", n=1, lineterm="")))
    return wrong


def checks(cell, side):
    """What one side asks the other."""
    udp = [datagram(cell, side), datagram(cell, 1 - side)]
    return [*PINGS, ("udp", *udp), ("tcp", TCP_BYTES[side])]


def datagram(cell, side):
    """Bytes of the largest UDP datagram that one side can send. Where headers are put around the whole of it, it must leave
    room for them; and that is so in transport mode and BEET, and with the kernel in IPv4, which it only fragments after that."""
    inner, _outer = matrix.families(cell)
    whole = cell["mode"] != "tunnel" or (side == KERNEL and inner == 4)
    return 65507 - (ROOM if whole else 0)


def traffic(ends, cell):
    wrong = []
    talk = matrix.ends(cell)
    for side, end in enumerate(ends):
        end.say(op="ask", src=talk[side], dst=talk[1 - side], checks=checks(cell, side))
        wrong += [f"{what} from {end.name}: {why}" for what, why in end.hear().items()]
    return wrong


class Drops:
    """What the two sides have counted as dropped since the last look."""

    def __init__(self, moon, ends):
        self.moon, self.ends, self.last = moon, ends, {}
        self.news()

    def news(self):
        self.ends[KERNEL].say(op="read", path="/proc/net/xfrm_stat")
        kernel = dict(line.split() for line in self.ends[KERNEL].hear().split("\n") if line)
        now = {f"kernel {k}": int(v) for k, v in kernel.items()}
        now.update({f"pavise-xfrmd {k}": v for k, v in self.moon.xfrm_stat().items()})
        last, self.last = self.last, now
        return ", ".join(f"{k} {v - last.get(k, 0)}" for k, v in now.items() if v != last.get(k, 0))


def judge(ends, cell, drops):
    """What is wrong with a cell: nothing, hopefully."""
    wrong = set_up(ends, cell)
    if not any(" refuses: " in w for w in wrong):
        wrong += traffic(ends, cell)
    return wrong + ["dropped: " + (drops.news() or "nothing")] if wrong else []


# ---- the table ----

def verdict(results):
    bad = sum(bool(wrong) for _cell, wrong in results)
    return "" if not results else f"{bad} of {len(results)} fail" if bad else f"ok ({len(results)})"


def table(head, rows, columns, pick):
    """rows, columns: values; pick(cell, row, column): does the cell belong there? Results that belong nowhere are left out."""
    yield "| " + " | ".join([head, *columns]) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    for row in rows:
        yield f"| {row} | " + " | ".join(verdict(pick(row, column)) for column in columns) + " |"


def document(results, kernel):
    def cells(**wanted):
        return [(c, w) for c, w in results if all(c[axis] == value for axis, value in wanted.items())]
    bad = [(c, w) for c, w in results if w]
    yield from f"""# pavise-xfrmd against a real kernel

Written by `PAVISE_FULL=1 /usr/bin/python3 test/net/matrix_test.py` on {time.strftime("%Y-%m-%d")}: pavise-xfrmd on Linux
{platform.release().split('-')[0]} on one side, the XFRM of Linux {kernel} (esp4, esp6, ah4, ah6, ipcomp) on the other.

{len(results)} cells, {len(bad)} of them fail. In each one the same `ip xfrm` commands go to both sides, `ip -s xfrm` must print the
same from both but for times and counters, and then, from both sides: pings of 56, 3000 and 8000 bytes, the very first
packet included; a UDP datagram of 64 KiB there and one back (up to four tries: it may teach the path MTU, or find no
buffer); a TCP connection with 2 or 1 MiB there and as much back; every byte compared. The cells are chosen (test/net/matrix.py) so that every pair of choices along any two axes stands together in
some cell, every algorithm with every pair of address families in tunnel mode, and every stack of protocols in every mode
with every pair of families. "ok (3)" means that three cells say so.

Not there: IPComp in BEET mode (the kernel has none), AH in BEET mode (`ip xfrm` has no words for it; unit tests show it),
encryption without integrity (the kernel takes it, pavise-xfrmd refuses it: RFC 8221 section 4), ICVs below 96 bits of MACs.
A UDP datagram has 65507 bytes where it is fragmented before it is protected (tunnel mode; the kernel only with IPv6 inside),
and {65507 - ROOM} where the headers are put around the whole of it.

## Protocols, modes, address families
""".split("\n")
    yield from table("inner family in outer family", [f"{s}, {m}" for s in matrix.STACKS for m in matrix.MODES
                     if cells(stack=s, mode=m)], matrix.FAMILIES,
                     lambda row, f: cells(stack=row.rsplit(", ", 1)[0], mode=row.rsplit(", ", 1)[1], families=f))
    for title, axis, rows in (("Encryption", "cipher", [*matrix.AEADS, *matrix.CIPHERS]), ("Integrity in ESP", "mac", matrix.MACS),
                              ("Integrity in AH", "ah", matrix.MACS)):
        yield from ("", f"## {title}", "")
        columns = [f"tunnel, {f}" for f in matrix.FAMILIES] + ["transport", "beet"]
        yield from table("", rows, columns, lambda row, c, axis=axis: cells(**{axis: row}, mode=c.split(", ")[0], **(
            {"families": c.split(", ")[1]} if ", " in c else {})))
    yield from ("", "## Replay windows and sequence numbers", "")
    yield from table("window", matrix.WINDOWS, ("32 bits", "ESN"), lambda row, c: cells(window=row, esn=c == "ESN"))
    yield from ("", "## What else the commands said", "")
    yield from table("", matrix.EXTRAS, ("cells",), lambda row, _: cells(extra=row))
    yield from ("", "## What fails", "", *([] if bad else ["Nothing."]))
    for cell, wrong in bad:
        yield from (f"* {matrix.title(cell)}", *(f"    {line}" for w in wrong for line in w.split("\n")))


# ---- the test ----

def chosen():
    cells = matrix.design()
    words = sys.argv[1:]
    if words:
        return [c for c in cells if all(re.search(w, matrix.title(c)) for w in words)]
    return cells if FULL else matrix.short(cells)


def kernel_name(end):
    end.say(op="run", command=["uname", "-r"])
    return end.hear()["out"].strip()


def test(lab, tap):
    if realkernel.missing():
        tap.skip("the matrix against a real kernel", realkernel.missing())
        return
    ends, moon = bed(lab)
    drops, results = Drops(moon, ends), []
    for cell in chosen():
        wrong = judge(ends, cell, drops)
        results.append((cell, wrong))
        tap.check(matrix.title(cell), not wrong, "\n".join(wrong))
    if FULL and not sys.argv[1:]:
        with open(DOC, "w", encoding="utf-8") as out:
            out.write("\n".join(document(results, kernel_name(ends[KERNEL]))) + "\n")


if __name__ == "__main__":
    main(test, "every mode and algorithm with a real kernel")
