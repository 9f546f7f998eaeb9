#!/usr/bin/python3
"""Rekeyings under load: while both gateways rekey child SA and IKE SA again and again, alone and at the
same moment, a flood of pings and a TCP stream pass, and nothing is lost.

50 rekeyings, or 1000 with PAVISE_FULL=1."""
import os
import re
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import main, wait_until
from sites import BOB, Sites

REKEYINGS = 1000 if os.environ.get("PAVISE_FULL") == "1" else 50
IN_FLIGHT = 5  # pings: 20 ms of them
SUITES = [
    ("aes128gcm16-prfsha256-x25519", "aes128gcm16"),
    ("aes256gcm16-prfsha384-x25519-ke1_mlkem768", "aes256gcm16-x25519-ke1_mlkem768"),
]

# A stream whose content is checked: what is sent depends on its place, and the receiver counts.
STREAM = """import socket, sys, time
role, host = sys.argv[1:]
block = bytes(range(251)) * 64
if role == "send":
    with socket.create_connection((host, 5005), 5) as s:
        print("connected", flush=True)
        try:
            while True:
                s.sendall(block)
                time.sleep(0.002)
        except KeyboardInterrupt:
            pass
else:
    with socket.create_server((host, 5005)) as server:
        print("listening", flush=True)
        s, _ = server.accept()
        total = wrong = 0
        while data := s.recv(1 << 15):
            want = (block * 6)[total % 251:][:len(data)]
            wrong += data != want
            total += len(data)
        print(f"received {total} bytes, {wrong} wrong pieces", flush=True)
"""


def told(site, words):
    return sum(process.output().count(words) for process in site.iked.values())


def rekey_all(site, count):
    """`count` rekeyings: mostly child SAs; each fifth is of the IKE SA, each seventh by both sides at once."""
    for i in range(count):
        what = "sites" if i % 5 == 4 else "net-net"
        hosts = (site.moon, site.sun) if i % 7 == 6 else ((site.moon, site.sun)[i % 2],)
        both = [threading.Thread(target=host.pavise, args=("rekey", what)) for host in hosts]
        for one in both:
            one.start()
        for one in both:
            one.join()
        time.sleep(0.12)


def stream(site, role):
    host = site.alice if role == "send" else site.bob
    script = host.file("stream.py", STREAM)
    return host.start(["/usr/bin/python3", script, role, BOB[4]], f"stream-{role}")


def lost_of(said):
    """(how many pings were sent, which were lost); those that were on their way when ping was told to end are neither."""
    got = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", said)}
    found = re.search(r"(\d+) packets transmitted", said)
    sent = int(found[1]) if found else 0
    # ICMP has 16 bits for it.
    return sent, {number for number in range(1, sent + 1 - IN_FLIGHT) if number & 0xffff not in got}


def one_suite(site, tap, ike, esp):
    name = f"{ike} / {esp}"
    site.start(ike=ike, esp=esp, inner=(4,))
    site.up()
    site.alice.ping(BOB[4], 3, 0.05)
    receiver = stream(site, "receive")
    receiver.wait_for("listening")
    sender = stream(site, "send")
    sender.wait_for("connected")
    pings = site.alice.start(["ping", "-n", "-i", "0.004", "-W", "3", BOB[4]], "ping")
    before = told(site, "has fresh keys") + told(site, "goes on as")
    rekey_all(site, REKEYINGS)
    time.sleep(1)
    pings.stop(signal.SIGINT)
    sender.stop(signal.SIGINT)
    wait_until(lambda: "received" in receiver.output(), 20)
    after = told(site, "has fresh keys") + told(site, "goes on as")
    # Each rekeying is told once by each side.
    tap.check(f"{name}: {REKEYINGS} rekeyings took place", after - before >= 2 * REKEYINGS * 0.9, f"{(after - before) // 2}")
    sent, lost = lost_of(pings.output())
    tap.check(f"{name}: {sent} pings, none is lost", sent > 100 and not lost, f"{sorted(lost)} {pings.output()[-300:]}")
    found = re.search(r"received (\d+) bytes, (\d+) wrong", receiver.output())
    tap.check(f"{name}: the TCP stream is whole", found and int(found[1]) > 100000 and found[2] == "0", receiver.output())
    dropped = {word: n for host in (site.moon, site.sun) for word, n in host.xfrm_stat().items() if n}
    tap.equal(f"{name}: no packet was dropped", dropped, {})
    tap.check(f"{name}: one pair of SAs is left", site.settled(2, 15), f"{site.spis(site.moon)} {site.spis(site.sun)}")
    for daemons in (site.iked, site.xfrmd):
        for process in daemons.values():
            process.stop()
        daemons.clear()


def test(lab, tap):
    site = Sites(lab)
    for ike, esp in SUITES:
        one_suite(site, tap, ike, esp)


if __name__ == "__main__":
    main(test, "rekeyings under load")
