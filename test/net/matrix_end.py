#!/usr/bin/python3
"""matrix_end - one of the two ends of the matrix against a real kernel (matrix_test.py).

    matrix_end.py PORT        serves orders on TCP port PORT, one line of JSON each way

The same program runs on the host with pavise-xfrmd and in the guest with the kernel's XFRM. It runs `ip`, and makes
and answers traffic: echo servers for UDP and TCP, pings of any size, everything compared byte by byte."""
import hashlib
import json
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback

SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33  # socket(7); the module does not name them
UDP_PORT, TCP_PORT = 7000, 7001
PING_SECONDS, UDP_SECONDS, TCP_SECONDS = 1.5, 3, 6
# Half noise, half text, so that compression has work to do and something to give up on.
_SOME = random.Random(1)
BLOCK = b"".join(_SOME.randbytes(4096) + b"the quick brown fox jumps over the lazy dog.\n" * 91 for _ in range(32))


def content(size, start=0):
    """size bytes of the pattern, from place `start` on."""
    start %= len(BLOCK)
    return (BLOCK[start:] + BLOCK * (size // len(BLOCK) + 1))[:size]


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


# ---- servers ----

def udp_server(family):
    s = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
    s.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 4 << 20)
    s.bind(("", UDP_PORT))
    while True:
        data, sender = s.recvfrom(1 << 16)
        want = struct.unpack("!I", data[:4])[0]  # the first four bytes: how much to give back
        good = data[4:] == content(len(data) - 4)
        answer = (b"good" if good else b"bad ") + content(want - 4)
        try:
            s.sendto(answer, sender)
        except OSError as wrong:
            try:
                s.sendto(b"fail" + str(wrong).encode(), sender)
            except OSError:
                pass  # nothing can be said; the other end finds silence


def receive(s, size):
    parts, left = [], size
    while left:
        part = s.recv(min(left, 1 << 18))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def tcp_serve(s):
    with s:
        s.settimeout(TCP_SECONDS)
        try:
            size = struct.unpack("!I", receive(s, 4))[0]
            s.sendall(hashlib.sha256(receive(s, size)).digest())
            s.sendall(content(size, 1))
        except (OSError, struct.error):
            pass  # the other end reports it


def tcp_server(family):
    s = socket.socket(family, socket.SOCK_STREAM)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", TCP_PORT))
    s.listen(16)
    while True:
        client, _ = s.accept()
        threading.Thread(target=tcp_serve, args=(client,), daemon=True).start()


def encap_sockets():
    """The kernel takes ESP in UDP only on a socket that asks for it; the socket itself is exempt from all policies."""
    kept = []
    for family, level, policy in ((socket.AF_INET, 0, 17), (socket.AF_INET6, 41, 35)):
        s = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for way in (0, 1):
            s.setsockopt(level, policy, struct.pack("=40xH118xB7x", family, way))
        s.bind(("", 4500))
        s.setsockopt(socket.IPPROTO_UDP, 100, 2)
        kept.append(s)
    return kept


# ---- clients; each returns None if all is well, otherwise what is wrong ----

def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ping(src, dst, size, number):
    six = family_of(dst) == socket.AF_INET6
    proto, ask, answer = (socket.IPPROTO_ICMPV6, 128, 129) if six else (socket.IPPROTO_ICMP, 8, 0)
    ident, body = os.getpid() & 0xffff, content(size, number)
    packet = struct.pack("!BBHHH", ask, 0, 0, ident, number) + body
    if not six:
        packet = packet[:2] + struct.pack("!H", checksum(packet)) + packet[4:]
    with socket.socket(family_of(dst), socket.SOCK_RAW, proto) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        s.bind((src, 0))
        s.connect((dst, 0))
        end = time.monotonic() + PING_SECONDS
        s.send(packet)
        while time.monotonic() < end:
            s.settimeout(max(end - time.monotonic(), 0.01))
            got = s.recv(1 << 16)
            if not six:
                got = got[(got[0] & 15) * 4:]
            if got[0] == answer and got[4:8] == packet[4:8]:
                return None if got[8:] == body else f"the answer differs ({len(got) - 8} bytes)"
    return "no answer"


def udp(src, dst, size, back):
    with socket.socket(family_of(dst), socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        s.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 4 << 20)
        s.settimeout(UDP_SECONDS)
        s.bind((src, 0))
        s.connect((dst, UDP_PORT))
        s.send(struct.pack("!I", back) + content(size - 4))
        got = s.recv(1 << 16)
    if got[:4] == b"fail":
        return f"the other end cannot answer: {got[4:].decode(errors='replace')}"
    if got[:4] != b"good":
        return "damaged on the way there"
    return None if got[4:] == content(back - 4) else "damaged on the way back"


def tcp(src, dst, size):
    with socket.socket(family_of(dst), socket.SOCK_STREAM) as s:
        s.settimeout(TCP_SECONDS)
        s.bind((src, 0))
        s.connect((dst, TCP_PORT))
        data = content(size)
        s.sendall(struct.pack("!I", size) + data)
        if receive(s, 32) != hashlib.sha256(data).digest():
            return "damaged on the way there"
        return None if receive(s, size) == content(size, 1) else "damaged or cut off on the way back"


KINDS = {"ping": ping, "udp": udp, "tcp": tcp}


def tries(kind, dst, numbers):
    """A datagram of many pieces may get lost for want of buffers, and over IPv6 those that are too long teach
    their sender the path MTU, in steps if there are several tunnels. The very first packet, which is short,
    has one try."""
    long = kind == "udp" or (kind == "ping" and numbers[0] > 1280 and family_of(dst) == socket.AF_INET6)
    return 4 if long else 1


def check(order, kind, numbers):
    try:
        return KINDS[kind](order["src"], order["dst"], *numbers)
    except OSError as error:
        return "no answer" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"


def ask(order):
    """Runs the checks of an order until one fails; {name: what is wrong}."""
    wrong = {}
    for kind, *numbers in order["checks"]:
        name = " ".join([kind, *(str(n) for n in numbers)])
        for _ in range(tries(kind, order["dst"], numbers)):
            found = check(order, kind, numbers)
            if not found:
                break
        if found:
            wrong[name] = found
            break
    return wrong


def run(order):
    done = subprocess.run(order["command"], input=order.get("input", ""), text=True, capture_output=True, check=False,
                          env={**os.environ, **order.get("env", {})}, timeout=60)
    return {"out": done.stdout, "err": done.stderr, "status": done.returncode}


def read(order):
    with open(order["path"], encoding="utf-8") as file:
        return file.read()


ORDERS = {"ask": ask, "run": run, "read": read}


def serve(port):
    with socket.create_server(("", port)) as listener:
        client, _ = listener.accept()
    with client, client.makefile("rw", encoding="utf-8") as talk:
        for line in talk:
            order = json.loads(line)
            try:
                answer = {"good": ORDERS[order["op"]](order)}
            except Exception:  # the other side must hear of anything
                answer = {"bad": traceback.format_exc()}
            talk.write(json.dumps(answer) + "\n")
            talk.flush()


def main():
    for server in (udp_server, tcp_server):
        for family in (socket.AF_INET, socket.AF_INET6):
            threading.Thread(target=server, args=(family,), daemon=True).start()
    sockets = encap_sockets() if "--encap" in sys.argv else []
    serve(int(sys.argv[1]))
    for s in sockets:
        s.close()


if __name__ == "__main__":
    main()
