#!/usr/bin/python3
"""pavise decode: what a capture of our own tunnel tells with keys and without; that it agrees with tshark;
what a refusal and a silent peer look like; other programs' captures, whole, cut off and damaged."""
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import PAVISE, ROOT, main
from sites import BOB, SECRET, Sites
from traffic import capture
from tunnel_test import stop, tshark

VECTORS = os.path.join(ROOT, "../shared/vectors/pcap")


def decode(*arguments):
    return subprocess.run([PAVISE, "decode", *arguments], text=True, capture_output=True, timeout=60, errors="replace")


def facts(*arguments):
    done = decode("--json", *arguments)
    return json.loads(done.stdout)


def faults(of, gravity="error"):
    return [f for f in of["faults"] if f["gravity"] == gravity]


def established(site, tap):
    stopper = capture(site.cafe, "eth0", "good.pcapng")
    for host in (site.moon, site.sun):
        site.xfrmd[host] = host.xfrmd()
        site.iked[host] = host.iked(site.config(host.name, inner=(4,)), "--keylog", host.dir)
    site.up()
    site.alice.ping(BOB[4], 5, 0.02)
    site.moon.pavise("rekey", "net-net")
    site.alice.ping(BOB[4], 3, 0.02)
    site.moon.pavise("down", "sites")
    path = stopper()
    stop(site)
    secrets = site.moon.file("secrets", SECRET + "\n")
    seen = facts("--keys", site.moon.dir, "--secrets", secrets, "--verify", path)
    ike = [e for e in seen["events"] if e["kind"] == "ike"]
    tap.equal("every message but IKE_SA_INIT is decrypted",
              {e["protection"] for e in ike if e["exchange"] != "IKE_SA_INIT"}, {"decrypted"})
    tap.equal("AUTH of both sides is recomputed and right",
              [e["auth"] for e in ike if "auth" in e], ["right", "right"])
    tap.equal("nothing is against an RFC", [f["what"] for e in seen["events"] for f in faults(e)], [])
    flows = seen["summary"]["flows"]
    tap.equal("four SAs: two before the rekeying, two behind", len(flows), 4)
    tap.equal("the ICV of every packet was right", [(f["opened"], f["icv_wrong"]) for f in flows],
              [(f["packets"], 0) for f in flows])
    tap.check("it says what ESP carries", any("10.1.0.10 > 10.2.0.10, ICMP" == f.get("carries") for f in flows))
    count = tshark(site.cafe, path, site.moon.dir, ["-Y", "isakmp.auth.method", "-T", "fields", "-e", "frame.number"])
    tap.equal("tshark sees AUTH in the same frames", [str(e["frame"]) for e in ike if "auth" in e], count.split())
    sa = seen["summary"]["ike_sas"][0]
    tap.equal("who they were", (sa["initiator_id"], sa["responder_id"]), ("moon.example.org", "sun.example.org"))
    tap.equal("that it was deleted in the end", sa["outcome"], "deleted")
    wrong = facts("--keys", site.moon.dir, "--secrets", site.moon.file("other", "something else\n"), "--verify", path)
    tap.equal("with another secret AUTH is wrong", [e["auth"] for e in wrong["events"] if "auth" in e],
              ["wrong", "wrong"])
    blind = decode(path).stdout
    tap.check("without keys it says so", "IKE_AUTH was answered; what it says needs keys to be read" in blind)
    tap.check("and tells the rest as a story", "offers 1: IKE" in blind and "chooses" in blind and "no NAT there" in blind)
    return path


def refused(site, tap):
    stopper = capture(site.cafe, "eth0", "refused.pcapng")
    for host in (site.moon, site.sun):
        site.xfrmd[host] = host.xfrmd()
    site.iked[site.moon] = site.moon.iked(site.config("moon", ike="aes256-sha256-x25519"))
    site.iked[site.sun] = site.sun.iked(site.config("sun", ike="aes128-sha256-x25519"))
    for host in (site.moon, site.sun):
        host.pavise("up", "net-net", "--timeout", "1")
    text = decode(stopper()).stdout
    stop(site)
    tap.check("NO_PROPOSAL_CHOSEN shows both lists", "offered   AES_CBC_128" in text and "refuser   AES_CBC_256" in text)
    tap.check("and the first difference",
              "no encryption algorithm in common: AES_CBC_128 on one side, AES_CBC_256 on the other" in " ".join(text.split()))


def folder(host, name):
    path = os.path.join(host.dir, name)
    os.makedirs(path, exist_ok=True)
    return path


def chacha(site, tap):
    stopper = capture(site.cafe, "eth0", "chacha.pcapng")
    for host in (site.moon, site.sun):
        site.xfrmd[host] = host.xfrmd()
        site.iked[host] = host.iked(site.config(host.name, inner=(4,), ike="chacha20poly1305-prfsha256-x25519",
                                                esp="chacha20poly1305"), "--keylog", folder(host, "keys.d"))
    site.up()
    site.alice.ping(BOB[4], 3, 0.02)
    path = stopper()
    stop(site)
    seen = facts("--keys", os.path.join(site.moon.dir, "keys.d"), "--verify", path)
    tap.equal("ChaCha20-Poly1305 in IKE is decrypted", {e["protection"] for e in seen["events"] if e["kind"] == "ike" and
                                                         e["exchange"] != "IKE_SA_INIT"}, {"decrypted"})
    tap.equal("... and in ESP", [(f["opened"], f["icv_wrong"]) for f in seen["summary"]["flows"]], [(3, 0), (3, 0)])


def into_tcp(path, out):
    """The same messages in a TCP connection (RFC 9329), in segments of any length, some twice, some too early."""
    from scapy.all import ESP, IP, TCP, UDP, Ether, PcapNgReader, Raw, wrpcap
    dice, sent, made = random.Random(9), {}, []
    stream = {True: b"IKETCP", False: b""}
    order = []  # (initiator's side?, end of its bytes)
    with PcapNgReader(path) as frames:
        for frame in frames:
            ip = frame[IP] if IP in frame else None
            if ip is None or not (UDP in ip or ESP in ip):
                continue
            body = bytes(ip[UDP].payload) if UDP in ip else bytes(ip[ESP])
            if UDP in ip and 500 in (ip[UDP].sport, ip[UDP].dport):
                body = bytes(4) + body
            side = ip.src == "192.0.2.1"
            stream[side] += (len(body) + 2).to_bytes(2, "big") + body
            order.append((side, len(stream[side])))
    ports = {True: (40000, 4500), False: (4500, 40000)}
    hosts = {True: ("192.0.2.1", "198.51.100.1"), False: ("198.51.100.1", "192.0.2.1")}

    def segment(side, at, data, flags="A"):
        made.append(Ether() / IP(src=hosts[side][0], dst=hosts[side][1]) /
                    TCP(sport=ports[side][0], dport=ports[side][1], seq=1000 + at, flags=flags) / Raw(data))
    segment(True, -1, b"", "S")
    segment(False, -1, b"", "SA")
    for side, end in order:
        at, pieces = sent.get(side, 0), []
        while at < end:
            n = min(end - at, dice.randrange(6, 700))
            pieces.append((at, stream[side][at:at + n]))
            at += n
        sent[side] = end
        if len(pieces) > 1 and pieces[0][0]:
            dice.shuffle(pieces)
        for one in pieces + pieces[:dice.randrange(2)]:
            segment(side, *one)
    wrpcap(out, made)


def tcp(site, path, tap):
    try:
        import scapy.all  # noqa: F401
    except ImportError:
        tap.skip("IKE and ESP in TCP", "there is no scapy")
        return
    out = os.path.join(site.moon.dir, "tcp.pcap")
    into_tcp(path, out)
    secrets = site.moon.file("secrets", SECRET + "\n")
    by_udp, by_tcp = (facts("--keys", site.moon.dir, "--secrets", secrets, "--verify", one) for one in (path, out))

    def story(seen):
        return [[e.get(k) for k in ("exchange", "role", "sender", "id", "protection", "auth", "repeats")]
                for e in seen["events"] if e["kind"] == "ike"]
    tap.equal("in TCP, whatever the segments, the story is the same", story(by_tcp), story(by_udp))
    tap.equal("and so is each SA", [[f[k] for k in ("spi", "packets", "opened", "icv_wrong")] for f in by_tcp["summary"]["flows"]],
              [[f[k] for k in ("spi", "packets", "opened", "icv_wrong")] for f in by_udp["summary"]["flows"]])
    tap.equal("it says that it is in TCP", {f["encapsulation"] for f in by_tcp["summary"]["flows"]}, {"tcp"})


def others(path, tap, directory):
    """Captures of other programs, and damaged ones: always a sentence, never a crash."""
    table = os.path.join(directory, "ikev2_decryption_table")
    if not os.path.isdir(VECTORS):
        tap.skip("captures of other programs", "they are not on this machine")
    else:
        with open(os.path.join(VECTORS, "wireshark/keys.json"), encoding="utf-8") as file:
            known = json.load(file)
        with open(table, "w", encoding="utf-8") as file:
            for k in (one["keys"] for one in known["ikev2"]):
                file.write(f"{k['spi_i']},{k['spi_r']},{k['sk_ei']},{k['sk_er']},\"{k['encr']}\",{k['sk_ai']},{k['sk_ar']},"
                           f"\"{k['integ']}\"\n")
        with open(os.path.join(directory, "esp_sa"), "w", encoding="utf-8") as file:
            file.write("".join(",".join(f'"{w}"' for w in line) + "\n" for line in known["esp_sa"]))
        for one in known["ikev2"]:
            seen = facts("--keys", directory, os.path.join(VECTORS, "wireshark", one["file"]))
            data = [p["data"] for e in seen["events"] for p in e["payloads"] if p["type"] == "AUTH"]
            tap.equal(f"{one['file']}: AUTH as Wireshark's own tests want it", sorted(data), sorted(one["auth_data_found"]))
        esp = facts("--keys", directory, "--verify", os.path.join(VECTORS, "wireshark/esp-bug-12671.pcapng.gz"))
        tap.equal("a packed capture of ESP is opened", [(f["opened"], f["icv_wrong"]) for f in esp["summary"]["flows"]],
                  [(3, 0), (3, 0)])
        strange = {}
        for folder, _, names in os.walk(VECTORS):
            for name in names:
                done = decode("--verify", os.path.join(folder, name))
                strange[name] = done.returncode in (0, 1) and (done.returncode == 0) != ("error" in done.stderr)
        tap.equal("every file gives a story, or a sentence why not", [n for n, fine in strange.items() if not fine], [])
    with open(path, "rb") as file:
        whole = file.read()
    dice = random.Random(12)
    bad = []
    for turn in range(25):
        damaged = bytearray(whole[:dice.randrange(30, len(whole))] if turn % 2 else whole)
        for _ in range(turn):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        with open(table + ".pcapng", "wb") as file:
            file.write(damaged)
        done = decode("--verify", "--keys", directory, table + ".pcapng")
        if done.returncode not in (0, 1) or (done.returncode == 1 and not done.stderr):
            bad.append((turn, done.returncode, done.stderr[-200:]))
    tap.equal("damaged captures: the exit status and a sentence", bad, [])
    cut = table + ".pcapng"
    with open(cut, "wb") as file:
        file.write(whole[:-30])
    done = decode(cut)
    tap.check("cut off: the part that could be read is told",
              done.returncode == 1 and "cut off" in done.stderr and "IKE_SA_INIT request 0" in done.stdout)
    tap.check("no capture at all", "neither pcap nor pcapng nor snoop" in decode(__file__).stderr)


def run(lab, tap):
    site = Sites(lab)
    path = established(site, tap)
    tcp(site, path, tap)
    chacha(site, tap)
    refused(site, tap)
    others(path, tap, lab.host("desk").dir)


if __name__ == "__main__":
    main(run, "pavise decode")
