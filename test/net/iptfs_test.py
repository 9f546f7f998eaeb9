#!/usr/bin/python3
"""IP-TFS (RFC 9347) between two gateways: packets of all sizes and both families, TCP on a lossy path,
several workers. A second implementation of the format, below, reads what leaves and writes what comes in."""
import json
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire
from lab import PAVISE, main, wait_until
from sites import ALICE, BOB, OUTER, Sites
from traffic import capture, tcp
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.ipsec import ESP
from scapy.utils import PcapNgReader

AGGFRAG = 144
SIZES = (0, 56, 1300, 1400, 1401, 3000, 8000)  # of pings
DELAY_US = 500000
MTU = 1500
LOSS = """table inet cafe {
    chain lose {
        type filter hook forward priority 0
        ip saddr 192.0.2.1 meta l4proto esp numgen random mod 100 < 2 drop
    }
}"""


# ---- the format, once more ----

class Sa:
    """One direction of an SA with AES-GCM-16, as `pavise xfrm state` shows it."""

    def __init__(self, shown):
        key = bytes.fromhex(shown["aead"]["key"])
        self.gcm, self.salt, self.spi = AESGCM(key[:-4]), key[-4:], int(shown["spi"], 16)
        self.shown = shown

    def open(self, esp):
        text = self.gcm.decrypt(self.salt + esp[8:16], esp[16:], esp[:8])
        return text[:-2 - text[-2]], text[-1]

    def seal(self, payload, seq, following=AGGFRAG):
        pad = -(len(payload) + 2) % 4
        text = payload + bytes(range(1, pad + 1)) + bytes((pad, following))
        head, iv = struct.pack("!II", self.spi, seq), struct.pack("!Q", 1 << 63 | seq)
        return head + iv + self.gcm.encrypt(self.salt + iv, text, head)


def length(packet):
    if packet[0] >> 4 == 4:
        return struct.unpack("!H", packet[2:4])[0]
    return 40 + struct.unpack("!H", packet[4:6])[0]


def blocks(payloads):
    """The inner packets of payloads that follow each other; every BlockOffset has to be right."""
    found, rest, missing = [], b"", 0
    for payload in payloads:
        kind, _reserved, offset = struct.unpack("!BBH", payload[:4])
        data = payload[4:]
        assert kind == 0 and offset == min(missing, 65535), (kind, offset, missing)
        rest, data, missing = rest + data[:missing], data[missing:], max(0, missing - len(data))
        if rest and not missing:
            found, rest = found + [rest], b""
        while data and data[0] >> 4:
            whole = length(data)
            if whole > len(data):
                rest, missing = data, whole - len(data)
                break
            found, data = found + [data[:whole]], data[whole:]
    assert not missing, missing
    return found


# ---- looking ----

def states(host):
    shown = json.loads(host([PAVISE, "xfrm", "state", "--json", "--show-keys"]))
    return shown["states"] if isinstance(shown, dict) else shown


def sa_from(host, source):
    return Sa(next(state for state in states(host) if state["src"] == source))


def esp_of(path, source):
    """The ESP packets in a capture that come from there, raw or in UDP, the oldest first."""
    found = []
    with PcapNgReader(path) as reader:
        for packet in reader:
            if IP not in packet or packet[IP].src != source:
                continue
            if ESP in packet:
                found.append((packet[IP], bytes(packet[ESP])))
            elif UDP in packet and packet[UDP].sport == 4500 and bytes(packet[UDP].payload)[:4] != b"\0" * 4:
                found.append((packet[IP], bytes(packet[UDP].payload)))
    return found


def dropped(host):
    return {word: count for word, count in host.xfrm_stat().items() if count and word.startswith("iptfs")}


def stop(site):
    for daemons in (site.iked, site.xfrmd):
        for process in daemons.values():
            process.stop()
        daemons.clear()


def start(site, settings="", xfrmd_options=(), **options):
    conf = "charon {\n iptfs {\n" + settings + "\n }\n}\n"
    paths = [host.file("strongswan.conf", conf) for host in (site.moon, site.sun)]
    assert paths
    for host, path in zip((site.moon, site.sun), paths):
        site.xfrmd[host] = host.xfrmd(*xfrmd_options)
        site.iked[host] = host.iked(site.config(host.name, child_extra="mode = iptfs", esp="aes128gcm16", **options),
                                    "--strongswan-conf", path)
    site.up()


# ---- tests ----

def passes(site, tap):
    for outer, encap in ((4, False), (6, True)):
        start(site, outer=outer, encap=encap)
        name = f"{'UDP' if encap else 'raw ESP'} over IPv{outer}"
        tap.equal(f"{name}: the SAs' mode", {state["mode"] for state in states(site.moon)}, {"iptfs"})
        for inner in (4, 6):
            # both hosts learn what the devices take, and where their neighbours are
            wait_until(lambda to=BOB[inner]: site.alice.ping(to, 1, size=1400) == 1, 30)
            got = [site.alice.ping(BOB[inner], 1, size=size) for size in SIZES]
            tap.equal(f"{name}: IPv{inner} of every size", got, [1] * len(SIZES))
        rate = tcp(site.alice, site.bob, BOB[4])
        tap.check(f"{name}: TCP", rate > 1e6, rate)
        tap.equal(f"{name}: nothing was dropped", (dropped(site.moon), dropped(site.sun)), ({}, {}))
        stop(site)


def judged(site, tap):
    """The second implementation reads what moon sends, and writes what sun takes."""
    start(site, f"init_delay = {DELAY_US}")
    end = capture(site.cafe, "eth0", "iptfs.pcapng")
    tap.equal("four pings in the time of one delay", site.alice.ping(BOB[4], 4, interval=0.05), 4)
    tap.equal("a long ping", site.alice.ping(BOB[4], 1, size=4000), 1)
    sent = esp_of(end(), OUTER[4][0])
    sa = sa_from(site.moon, OUTER[4][0])
    opened = [sa.open(esp) for _head, esp in sent]
    tap.equal("next header", {following for _payload, following in opened}, {AGGFRAG})
    tap.equal("four in the first, three for the long one", len(sent), 4)
    inner = [IP(packet) for packet in blocks(payload for payload, _following in opened)]
    tap.equal("inner packets", [(p.src, p.dst, p.len) for p in inner],
              [(ALICE[4], BOB[4], n) for n in (84, 84, 84, 84, 1396, 1396, 1276)])
    tap.check("none is longer than the path takes", all(head.len <= MTU for head, _esp in sent),
              [head.len for head, _esp in sent])
    tap.equal("the outer header tells no DSCP and no ECN", {head.tos for head, _esp in sent}, {0})
    crafted(site, tap, sa, sa.shown["oseq"])
    stop(site)


def crafted(site, tap, sa, seq):
    """Echo requests in payloads of our own, cut in the midst and sent in the wrong order."""
    requests = [bytes(IP(src=ALICE[4], dst=BOB[4], ttl=60) / ICMP(id=7, seq=n) / (b"x" * 300)) for n in range(4)]
    stream = b"".join(requests)
    cuts = (0, 400, 800, len(stream))
    payloads = []
    for begin, to in zip(cuts, cuts[1:]):
        offset = -begin % len(requests[0])
        payloads.append(struct.pack("!BBH", 0, 0, offset) + stream[begin:to])
    payloads[-1] += b"\0" * 100  # padding
    packets = [bytes(IP(src=OUTER[4][0], dst=OUTER[4][1], proto=50) / sa.seal(payload, seq + 1 + n))
               for n, payload in enumerate(payloads)]
    bob = capture(site.bob, "eth0", "bob.pcapng")
    wire.send(site.cafe, "eth1", wire.mac_of(site.sun, "eth0"), packets[2], packets[0], packets[1])

    wait_until(lambda: taken_in(site.sun) >= 11, 10)
    with PcapNgReader(bob()) as reader:
        got = [bytes(p[IP])[:p[IP].len] for p in reader if IP in p and p[IP].dst == BOB[4] and ICMP in p]
    want = [bytes(IP(request[:8] + bytes((request[8] - 1,)) + request[9:])) for request in requests]
    tap.equal("what it writes arrives, in order", [p[20:] for p in got], [p[20:] for p in want])
    tap.equal("and nothing was dropped", dropped(site.sun), {})


def taken_in(host):
    """Inner packets."""
    return sum(worker["packets_in"] for worker in json.loads(host([PAVISE, "xfrm", "stat", "--json"]))["workers"])


def troubled(site, tap):
    """A path that loses packets; three workers."""
    start(site, xfrmd_options=("--workers", "3"))
    site.cafe.nft(LOSS)
    rate = tcp(site.alice, site.bob, BOB[4])
    tap.check("TCP gets through all the same", rate > 1e5, rate)
    site.cafe.nft("delete table inet cafe")
    tap.check("what was lost is counted", "iptfs" in dropped(site.sun), dropped(site.sun))
    tap.equal("pings afterwards", site.alice.ping(BOB[4], 5, size=3000), 5)
    done = site.moon.pavise("rekey", "net-net")
    tap.equal("its keys change", (done.returncode, site.alice.ping(BOB[6], 3, size=2000)), (0, 3))
    stop(site)


def test(lab, tap):
    site = Sites(lab)
    passes(site, tap)
    judged(site, tap)
    troubled(site, tap)


if __name__ == "__main__":
    main(test, "IP-TFS")
