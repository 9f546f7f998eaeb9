#!/usr/bin/python3
"""contract - how a kernel answers NETLINK_XFRM messages, well-formed and not, one by one.

    contract.py [--hex] [PATTERN]     prints the transcript of this network namespace's kernel;
                                      of pavise-xfrmd with the preload library in LD_PRELOAD
    contract.py --record KERNEL       runs it in a kernel with ESP; rewrites contract.expected
    contract.py --record-young        runs the messages that need a kernel from 6.13 on in this network
                                      namespace's; rewrites contract_young.expected (only the errno)

For each case: the errno, the offset of the attribute that was to blame, the answers, the events
that all groups heard, and a digest of what is in the database afterwards. Messages are compared
byte by byte; masked are times, the port's number, and numbers that a kernel counts up (indices of
policies, acquires). --hex shows the bytes. The comparison itself is contract_test.py.
"""
import hashlib
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from contract_cases import CASES, YOUNG, barrier, flushes
from contract_wire import DONE, ERROR, POLICY_AT, SA_AT, TYPES, message

HERE = os.path.dirname(os.path.abspath(__file__))
EXPECTED = os.path.join(HERE, "contract.expected")
EXPECTED_YOUNG = os.path.join(HERE, "contract_young.expected")
REQUEST, ACK, DUMP = 1, 4, 0x300
GROUPS = 0xff


class Port:
    """A netlink socket; LD_PRELOAD decides whose."""

    def __init__(self, groups=0):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 6)
        for option in (10, 11):  # NETLINK_CAP_ACK, NETLINK_EXT_ACK
            self.socket.setsockopt(270, option, 1)
        self.socket.bind((0, groups))
        self.id = self.socket.getsockname()[0]
        self.socket.settimeout(5)
        self.number = 0
        self.waiting = []

    def messages(self):
        """The messages of one datagram."""
        data = self.socket.recv(65536)
        while len(data) >= 16:
            size = struct.unpack("=I", data[:4])[0]
            yield data[:size]
            data = data[(size + 3) & ~3:]

    def send(self, request, flags):
        """A request without its length, flags and number."""
        self.number += 1
        kind, more, size = struct.unpack("=HHI", request[:8])
        self.socket.send(struct.pack("=IHHII", 16 + len(request) - 8 if not size else size, kind, REQUEST | flags | more,
                                     self.number, 0) + request[8:])

    def ask(self, request):
        """Returns (errno, offset or None, sentence, answers)."""
        self.send(request, ACK)
        answers = []
        while True:
            for m in self.messages():
                if struct.unpack("=H", m[4:6])[0] != ERROR:
                    answers.append(m)
                    continue
                error, echoed = struct.unpack("=iI", m[16:24])
                return (-error, *self.explained(m, echoed), answers)

    @staticmethod
    def explained(m, echoed):
        flags = struct.unpack("=H", m[6:8])[0]
        at, offset, text = 36 if flags & 0x100 else 20 + ((echoed + 3) & ~3), None, ""
        while flags & 0x200 and at + 4 <= len(m):
            size, kind = struct.unpack("=HH", m[at:at + 4])
            if kind == 1:
                text = m[at + 4:at + size].rstrip(b"\0").decode()
            elif kind == 2:
                offset = struct.unpack("=I", m[at + 4:at + 8])[0]
            at += max(4, (size + 3) & ~3)
        return offset, text

    def dump(self, kind):
        self.send(message(kind), DUMP)
        while True:
            for m in self.messages():
                is_a = struct.unpack("=H", m[4:6])[0]
                if is_a in (DONE, ERROR):
                    return
                yield m

    def heard_until(self, marker):
        """Events up to the one that holds the marker."""
        while True:
            for m in self.messages():
                if marker in m:
                    return
                yield m


def without_pad(m):
    """Also without the timer threshold."""
    at = 16 + 48
    while at + 4 <= len(m):
        size, kind = struct.unpack("=HH", m[at:at + 4])
        if kind == 27:
            del m[at:at + 4]
            m[0:4] = struct.pack("=I", len(m))
            continue
        if kind == 12:  # a kernel takes it in its own ticks, and tells it in 100 ms
            m[at + 4:at + 8] = b"ETHR"
        at += max(4, (size + 3) & ~3)
    return m


def masked(m, port):
    """The message with all that may differ set to zero."""
    now = time.time()
    kind, = struct.unpack("=H", m[4:6])
    m = bytearray(m)
    if struct.unpack("=I", m[12:16])[0] == port:
        m[12:16] = b"PORT"
    if m[8:12] != bytes(4):
        m[8:12] = b"SEQ."
    for at in range(16, len(m) - 7, 4):
        if abs(struct.unpack("=Q", m[at:at + 8])[0] - now) < 3600:
            m[at:at + 8] = b"A  TIME!"
    if kind in SA_AT:  # without keys it lives as long as sysctl xfrm_acq_expires says
        at = 16 + SA_AT[kind] + 96 + 40
        if m[at:at + 8] in (struct.pack("=Q", 30), struct.pack("=Q", 165)):
            m[at:at + 8] = b"ACQUIRE!"
    if TYPES.get(kind) == "NEWAE":  # a kernel on which unaligned reads are slow puts 4 bytes before times
        m = without_pad(m)
    if kind in POLICY_AT:
        at = 16 + POLICY_AT[kind] + 156
        m[at:at + 4] = struct.pack("=I", struct.unpack("=I", m[at:at + 4])[0] & 7)
    if TYPES.get(kind) == "ACQUIRE":
        m[16 + 276:16 + 280] = bytes(4)
    return bytes(m)


def show(messages, port, as_hex):
    shown = []
    for m in messages:
        m = masked(m, port)
        kind, = struct.unpack("=H", m[4:6])
        text = m.hex() if as_hex else hashlib.sha256(m).hexdigest()[:8]
        shown.append(f"{TYPES.get(kind, kind)}:{len(m)}:{text}")
    return " ".join(shown) or "-"


def run(pattern, as_hex, cases=CASES):
    """Yields one line for each case: name | errno, offset | answers | events | database."""
    port, listener = Port(), Port(GROUPS)
    for name, setup, request in cases:
        if not re.search(pattern, name):
            continue
        for m in setup:
            port.ask(m)
        port.ask(barrier())
        list(listener.heard_until(b"BARRIER!"))
        error, offset, text, answers = port.ask(request)
        state = [*port.dump(0x12), *port.dump(0x15)]
        state = [m for m in state if b"BARRIER!" not in m]
        port.ask(barrier())
        events = list(listener.heard_until(b"BARRIER!"))
        for m in flushes():
            port.ask(m)
        said = "" if not error else "+" if text else "?"
        where = "" if offset is None else f" at {offset}"
        database = show(state, port.id, True) if as_hex else \
            f"{len(state)}:{hashlib.sha256(b''.join(masked(m, port.id) for m in state)).hexdigest()[:8]}"
        yield [name, f"{error}{where}", show(answers, port.id, as_hex), show(events, port.id, as_hex), database, said, text]


def expected(path=EXPECTED):
    """{name: [errno, answers, events, database]}"""
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip("\n").split(" | ") for line in file if not line.startswith("#")]
    return {line[0]: line[1:] for line in lines}


def transcript(runner=(), env=None, which="--all"):
    """Runs this program through `runner`; {name: [errno, answers, events, database, said, text]}"""
    done = subprocess.run([*runner, *(["env", *env] if env else []), "/usr/bin/python3", os.path.abspath(__file__), which],
                          text=True, capture_output=True, timeout=300, check=True)
    lines = [line.split(" | ") for line in done.stdout.split("\n") if " | " in line]
    return {line[0]: line[1:] for line in lines}


def record(kernel, path=EXPECTED):
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as script:
        script.write(f"uname -sr; ip link set lo up\n/usr/bin/python3 {os.path.abspath(__file__)} --all\n")
        script.flush()
        done = subprocess.run([kernel, "--timeout", "500", script.name], text=True, capture_output=True, check=True)
    lines = done.stdout.split("\n")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"# How {lines[0]} answers the messages of contract_cases.py; contract.py says what the columns are.\n"
                   "# Regenerate: test/interop/contract.py --record KERNEL\n")
        for line in lines[1:]:
            if " | " in line:
                file.write(" | ".join(line.split(" | ")[:5]) + "\n")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if len(arguments) == 2 and arguments[0] == "--record":
        record(arguments[1])
    elif arguments == ["--record-young"]:
        with open(EXPECTED_YOUNG, "w", encoding="utf-8") as out:
            out.write(f"# The errno with which Linux {os.uname().release.split('-')[0]}, which has no ESP (38: it got that far), answers"
                      " YOUNG of contract_cases.py.\n# Regenerate: unshare -n test/interop/contract.py --record-young\n")
            out.writelines(f"{columns[0]} | {columns[1]}\n" for columns in run("", False, YOUNG))
    else:
        HEX = "--hex" in arguments
        PATTERN = next((a for a in arguments if not a.startswith("--")), "")
        for columns in run(PATTERN, HEX, YOUNG if "--young" in arguments else CASES):
            print(" | ".join(columns), flush=True)
