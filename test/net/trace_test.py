#!/usr/bin/python3
"""pavise trace: live packets of a tunnel, out and in, in UDP and raw, IPv4 and IPv6, with what becomes of them and why;
filters, samples, several who look and one who does not read, and an executor that ends. What --write has written is
decrypted by tshark."""
import json
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire
from lab import PAVISE, main, wait_until
from sites import ALICE, BOB, OUTER, Sites
from tunnel_test import tshark

OUT = ["assemble", "classify", "resolve", "own", "measure", "gather", "number", "wrap", "seal", "nest", "send"]
PINGS = 1500  # more than the rings hold, both ways
IN = ["find_sa", "own", "replay", "open", "commit", "unwrap", "unpack", "nest", "conform", "deliver"]

# Asks for everything and does not read until a file is there; then prints what there is, and what is said to be lost.
SLOW = """import json, os, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect("\\0pavise-xfrm-trace")
s.send(json.dumps({"bytes": True, "snap": 2048}).encode())
print("begun", s.recv(1000).decode(), flush=True)
end = time.monotonic() + 60
while not os.path.exists(sys.argv[1]) and time.monotonic() < end: time.sleep(0.05)
s.settimeout(2)
got = lost = 0
try:
    while True:
        told = json.loads(s.recv(1 << 20))
        lost += told.get("lost", 0)
        got += "lost" not in told
except TimeoutError: pass
print("end", got, lost, flush=True)
"""

HOSTS = "not dst net ff00::/8"  # what kernels tell multicast listeners on their own is no packet of ours


class Watch:
    """A pavise trace --json in the background."""

    def __init__(self, host, *arguments):
        self.process = host.start([PAVISE, "trace", "--json", *arguments], "trace")
        wait_until(lambda: "looking at" in self.process.output() or not self.process.alive(), 30)

    def records(self):
        lines = self.process.output().split("\n")[:-1]  # the last one may not be whole yet
        return [json.loads(line) for line in lines if line.startswith("{")]

    def wait(self, count, which=lambda r: True, seconds=30):
        wait_until(lambda: len([r for r in self.records() if which(r)]) >= count, seconds)
        return [r for r in self.records() if which(r)]

    def stop(self):
        self.status = self.process.stop(signal.SIGINT)
        return self.records()


def way_out(record):
    return record.get("way") == "out"


def walk(site, tap, kind, family, outer):
    """Three pings: what moon says of them and what sun says of them."""
    moon, sun = Watch(site.moon, HOSTS), Watch(site.sun, "--in", HOSTS)
    tap.equal(f"{kind}: pings pass", site.alice.ping(BOB[family], 3, 0.05), 3)
    out = moon.wait(3, way_out)
    back = moon.wait(3, lambda r: r["way"] == "in")
    in_sun = sun.wait(3)
    moon.stop(), sun.stop()
    icmp = {4: (1, 8, 0), 6: (58, 128, 129)}[family]
    sent, came = out[0], back[0]
    tap.equal(f"{kind}: three out, three back, three at sun", (len(out), len(back), len(in_sun)), (3, 3, 3))
    tap.equal(f"{kind}: what they are", [(r["inner"]["src"], r["inner"]["dst"], r["inner"]["proto"], r["inner"]["type"],
                                           r["inner"]["length"]) for r in (sent, came)],
              [(ALICE[family], BOB[family], icmp[0], icmp[1], 84 if family == 4 else 104),
               (BOB[family], ALICE[family], icmp[0], icmp[2], 84 if family == 4 else 104)])
    tap.equal(f"{kind}: and what becomes of them", [(r["verdict"], r["stage"]) for r in (*out, *back)],
              [("sent", "send")] * 3 + [("delivered", "deliver")] * 3)
    tap.equal(f"{kind}: through every stage", [[s["stage"] for s in r["stages"]] for r in (sent, came)], [OUT, IN])
    tap.check(f"{kind}: each of which takes its time", all(sum(s["ns"] for s in r["stages"]) <= r["ns"] for r in out) and
              all(s["ns"] > 0 for s in sent["stages"] if s["stage"] in ("seal", "send")), sent)
    tap.check(f"{kind}: an SA that is there, with one number after the other",
              sent["sas"][0]["spi"] in site.spis(site.moon) and
              [r["seq"] for r in out] == list(range(sent["seq"], sent["seq"] + 3)), out)
    tap.equal(f"{kind}: sun met the same", [(r["seq"], r["sas"][0]["spi"], r["outer"]["length"]) for r in in_sun],
              [(r["seq"], r["sas"][0]["spi"], r["outer"]["length"]) for r in out])
    tap.equal(f"{kind}: the policies", [(r["policy"]["dir"] in w, r["policy"]["action"]) for r, w in
                                         ((sent, ("out",)), (came, ("in", "fwd")))], [(True, "protect")] * 2)
    proto, port = (17, 4500) if "UDP" in kind else (50, None)
    tap.equal(f"{kind}: the outer header", [(o["src"], o["dst"], o["proto"], o.get("dport")) for o in
                                             (sent["outer"], in_sun[0]["outer"])], [(*OUTER[outer], proto, port)] * 2)


def drops(site, tap):
    """Each is told with its reason, and with what was known by then."""
    watch = Watch(site.sun, "--drops", "--in")
    wire_mac = wire.mac_of(site.sun, "eth0")
    site.cafe.nft(wire.STOP)
    ear = wire.listen(site.cafe, "eth0", "esp", 10)
    site.alice.try_run(["ping", "-n", "-c", "1", "-W", "1", BOB[4]])
    packet = ear.packet()
    site.cafe("nft delete table inet cafe")
    spi, number = wire.esp(packet)
    stray = wire.changed(packet, 0, (0x77777777).to_bytes(4, "big"))
    for one in (packet, packet, wire.flipped(packet, 200), stray):
        if one is packet or one is stray:
            wire.send(site.cafe, "eth1", wire_mac, one)
        else:
            wire.send(site.cafe, "eth1", wire_mac, wire.changed(one, 4, (number + 9).to_bytes(4, "big")))
    site.sun.ip_xfrm("xfrm policy add src 10.1.0.10/32 dst 10.2.0.10/32 proto udp dport 53 dir fwd action block priority 1")
    site.alice.try_run(["/usr/bin/python3", "-c", "import socket; s=socket.socket(2,2); s.sendto(b'x', ('10.2.0.10', 53))"])
    seen = watch.wait(4)
    watch.stop()
    site.sun.ip_xfrm("xfrm policy delete src 10.1.0.10/32 dst 10.2.0.10/32 proto udp dport 53 dir fwd")
    tap.equal("drops, and nothing else, each at its stage", [(r["drop"], r["stage"]) for r in seen],
              [("replay", "replay"), ("auth", "open"), ("no-sa", "find_sa"), ("policy-in", "conform")])
    if len(seen) != 4:
        return
    tap.check("a reason in words", all(len(r["why"].split()) > 3 for r in seen))
    tap.equal("the replayed number", (seen[0]["seq"], int(seen[0]["sas"][0]["spi"], 16)), (number, spi))
    tap.check("what was not decrypted has no inside", all("inner" not in r for r in seen[:3]))
    tap.equal("the SPI that nobody has", seen[2]["spi"], "0x77777777")
    tap.equal("the policy that blocks", (seen[3]["inner"]["dport"], seen[3]["policy"]["action"], seen[3]["policy"]["priority"]),
              (53, "block", 1))


def filters(site, tap):
    udp = Watch(site.moon, "udp", "port", "5353")
    lone = Watch(site.moon, "--count", "2", "--out", "host 10.2.0.10 and icmp")
    outer = Watch(site.moon, "--out", "dst host 198.51.100.1")
    send = "import socket; s=socket.socket(2,2); [s.sendto(b'x', ('10.2.0.10', p)) for p in (5353, 5354, 5353)]"
    site.alice(["/usr/bin/python3", "-c", send])
    site.alice.ping(BOB[4], 3, 0.02)
    lone.process.popen.wait(30)
    tap.equal("a filter on ports", [r["inner"]["dport"] for r in udp.wait(2)], [5353, 5353])
    tap.equal("--count ends it", (len(lone.records()), lone.process.popen.returncode), (2, 0))
    tap.equal("a filter on what is outside", len(outer.wait(6)), 6)
    tap.equal("is no filter on what is not", len(udp.stop()), 2)
    outer.stop()
    wrong = site.moon.pavise("trace", "host")
    tap.check("an expression that is none: libpcap's words", wrong.returncode == 2 and "syntax error" in wrong.stderr,
              wrong.stderr)
    unknown = site.moon.pavise("trace", "--sample", "1/0")
    tap.check("no sample: a sentence", unknown.returncode == 2 and "1/N" in unknown.stderr, unknown.stderr)
    alone = site.moon.pavise("trace", "--keys", site.moon.dir)
    tap.check("keys only with --write", alone.returncode == 1 and "--write" in alone.stderr, alone.stderr)
    nobody = site.moon.try_run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", PAVISE, "trace"])
    tap.check("root only", nobody.returncode == 1 and "root only" in nobody.stderr, nobody.stderr)


def crowd(site, tap):
    """Samples; who does not read loses and holds up nobody; more than there is room for."""
    flag = os.path.join(site.moon.dir, "read")
    slow = site.moon.start(["/usr/bin/python3", "-c", SLOW, flag], "slow")
    slow.wait_for("begun", 30)
    sample = Watch(site.moon, "--sample", "1/8", "--out")
    whole = Watch(site.moon, "--out")
    flood = site.alice.try_run(["ping", "-n", "-q", "-c", PINGS, "-i", "0.001", "-s", "1000", BOB[4]], timeout=120)
    tap.check("pings pass while somebody does not read", f"{PINGS} received" in flood.stdout, flood.stdout)
    all_seen = whole.wait(PINGS, way_out)
    tap.equal("who reads has all", len(all_seen), PINGS)
    few = len(sample.stop())
    tap.check("a sample of one in eight", PINGS / 16 < few < PINGS / 5, few)
    with open(flag, "w", encoding="utf-8"):
        slow.wait_for("end", 30)
    end = slow.output().split("end ")[-1].split()
    tap.check("who does not read is told how much it has lost", int(end[1]) > 500 and int(end[0]) + int(end[1]) == 2 * PINGS, end)
    more = [Watch(site.moon, "--drops") for _ in range(4)]
    texts = [w.process.output() for w in more]
    tap.equal("there is room for four", ["looking at" in t for t in texts], [True, True, True, False])
    tap.check("the next is told so", "4 traces run already" in texts[3] and more[3].process.popen.wait(10) == 1, texts[3])
    return [whole, *more[:3]]


def written(site, tap, kind, family):
    """Plain and protected packets side by side, and keys with which stock tshark makes the one of the other."""
    directory = os.path.join(site.moon.dir, kind.split()[0])
    os.makedirs(directory)
    path = os.path.join(directory, "walk.pcapng")
    writer = site.moon.start([PAVISE, "trace", "--write", path, "--keys", directory, "--count", "8", "icmp or icmp6"], "writer")
    writer.wait_for("looking at", 30)
    for size in (16, 100, 555, 1200):
        site.alice.ping(BOB[family], 1, size=size)
    tap.equal(f"{kind}: eight packets are written", writer.popen.wait(30), 0)
    tap.equal(f"{kind}: for root only", [os.stat(os.path.join(directory, n)).st_mode & 0o777 for n in ("walk.pcapng", "esp_sa")],
              [0o600, 0o600])
    icmp = "icmp" if family == 4 else "icmpv6"
    fields = ["frame.interface_name", f"{icmp}.type", f"{icmp}.checksum", "data.data", "frame.comment", "esp.spi"]
    lines = [line.split("\t") for line in tshark(site.moon, path, directory, [
        "-T", "fields", *(w for f in fields for w in ("-e", f))]).splitlines()]
    inner, outer = ([line for line in lines if line[0] == side] for side in ("inner", "outer"))
    tap.equal(f"{kind}: side by side", [line[0] for line in lines], ["inner", "outer", "outer", "inner"] * 4)
    tap.check(f"{kind}: tshark decrypts the protected ones", len(outer) == 8 and all(line[3] and line[5] for line in outer), outer)
    tap.equal(f"{kind}: and finds the plain ones in them", [line[1:4] for line in outer], [line[1:4] for line in inner])
    tap.check(f"{kind}: what they met stands beside them", all("policy out" in i[4] and "sequence number" in o[4] and i[4].startswith(
        "out: sent") for i, o in zip(inner[::2], outer[::2])), lines)
    with open(os.path.join(directory, "esp_sa"), encoding="utf-8") as file:
        tap.equal(f"{kind}: one line for each SA", len(file.readlines()), 2)
    plain = tshark(site.moon, path, site.alice.dir, ["-Y", f"esp && {icmp}"])
    tap.equal(f"{kind}: without the keys nothing is decrypted", plain, "")


def people(site, tap):
    text = site.moon.start([PAVISE, "trace", "--out", "--count", "1", HOSTS], "words")
    text.wait_for("looking at", 30)
    site.alice.ping(BOB[4], 1)
    text.popen.wait(30)
    said = " ".join(text.output().split())
    tap.check("in words", all(w in said for w in ("10.1.0.10 > 10.2.0.10 icmp type 8/0, 84 bytes: sent", "policy out: 10.1.0.0/16 > "
                                                  "10.2.0.0/16", ": protect", "tunnel, reqid", "sequence number",
                                                  "as 192.0.2.1:4500 > 198.51.100.1:4500 udp", "classify", "1 packet,")), said)


def run(lab, tap):
    site = Sites(lab)
    for host in (site.moon, site.sun):
        site.xfrmd[host] = host.xfrmd()
        site.iked[host] = host.iked(site.config(host.name, encap=True, child_extra="start_action = trap"))
    first = Watch(site.moon, "--out", HOSTS)
    site.alice.ping(BOB[4], 4, 0.3)
    seen = first.wait(4, lambda r: r["verdict"] == "sent")
    told = [r["verdict"] for r in first.stop()]
    tap.equal("without an SA packets wait, and go when it is there, each of them",
              (told[0], set(told), len(seen)), ("waits for an SA", {"waits for an SA", "sent"}, 4))
    walk(site, tap, "IPv4 in UDP", 4, 4)
    walk(site, tap, "IPv6 in UDP", 6, 4)
    people(site, tap)
    written(site, tap, "AES-GCM in UDP", 4)
    drops(site, tap)
    filters(site, tap)
    watching = crowd(site, tap)
    site.xfrmd[site.moon].stop()
    tap.equal("when pavise-xfrmd ends, all do", [w.process.popen.wait(30) for w in watching], [1, 1, 1, 1])
    tap.check("and say so", all("pavise-xfrmd has ended" in w.process.output() for w in watching))
    for daemon in (*site.iked.values(), site.xfrmd[site.sun]):
        daemon.stop()
    gone = site.moon.pavise("trace")
    tap.check("without it: a sentence", gone.returncode == 1 and "start pavise-xfrmd" in gone.stderr, gone.stderr)
    site.start(outer=6, encap=False, esp="aes128-sha256")
    site.up()
    walk(site, tap, "IPv4 in raw ESP over IPv6", 4, 6)
    written(site, tap, "AES-CBC with HMAC in raw ESP", 6)


if __name__ == "__main__":
    main(run, "pavise trace")
