#!/usr/bin/python3
"""ESP in UDP on any ports: packets come from the port that the SA says, not from that of --port; it is open while an
SA sends by it, shared with an IKE daemon that is there, and refused in words where somebody else has it."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import realkernel
from lab import Failed, main, wait_until
from traffic import tcp
from wire import mac_of

HOST = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
INNER = {4: ("10.9.0.1", "10.9.0.2"), 6: ("fd09::1", "fd09::2")}
ALL = {4: "0.0.0.0/0", 6: "::/0"}
PORT = (5501, 6602)
OTHER = 5503
NAME = "rfc4106(gcm(aes))"
GCM = f"aead {NAME} 0x{'0123456789abcdef' * 2}cafebabe 128"
PINGS = 5
MAC = "02:00:00:00:00:02"
SOURCES_MAX = 16  # xfrm/engine.h

# A daemon on a port of its own, exempt from policies, that shares it, as base/natt_share.h asks for. It counts what it gets.
DAEMON = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for way in (0, 1):
    s.setsockopt(0, 17, struct.pack("=40xH118xB7x", socket.AF_INET, way))
if sys.argv[2] == "share":
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(("0.0.0.0", int(sys.argv[1])))
print("bound", flush=True)
while True:
    print("ike" if s.recv(2000)[:4] == bytes(4) else "esp", flush=True)
"""
# What a kernel wants before it takes ESP in UDP.
ENCAP = """
import socket, time
for family, to in ((socket.AF_INET, '0.0.0.0'), (socket.AF_INET6, '::')):
    s = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        s.setsockopt(41, socket.IPV6_V6ONLY, 1)
    s.bind((to, %d))
    s.setsockopt(17, 100, 2)
    globals()[to] = s
time.sleep(3600)
""" % PORT[1]


def xfrm(host, command):
    done = host.ip_xfrm("xfrm " + command)
    if done.returncode:
        raise Failed(f"{host.name}: ip xfrm {command}: {done.stdout}{done.stderr}")


def state(family, way, ports=PORT, spi=0x1000, verb="add"):
    return (f"state {verb} src {HOST[family][way]} dst {HOST[family][1 - way]} proto esp spi {spi + way:#x} reqid 1"
            f" mode tunnel {GCM} replay-window 32 encap espinudp {ports[way]} {ports[1 - way]} 0.0.0.0")


def policies(family, side, nets):
    for direction, way in (("out", side), ("in", 1 - side)):
        src, dst = nets[way], nets[1 - way]
        yield (f"policy add src {src} dst {dst} dir {direction} tmpl src {HOST[family][way]}"
               f" dst {HOST[family][1 - way]} proto esp reqid 1 mode tunnel")


def protect(host, side, family):
    for command in [state(family, 0), state(family, 1), *policies(family, side, (ALL[family],) * 2)]:
        xfrm(host, command)


def ping(host, family, side=0):
    return host.ping(INNER[family][1 - side], PINGS, 0.05)


def listening(host, port, family=None):
    """How many sockets have the port."""
    found = re.findall(r"^\S+\s+\d+\s+\d+\s+(\S+):(\d+)\s", host("ss -H -l -u -n"), re.M)
    return sum(1 for address, number in found if int(number) == port and family in (None, 6 if "[" in address else 4))


def ends(dump, family):
    """The pairs of ports in what went over the cable between the two hosts."""
    a, b = (re.escape(h) for h in HOST[family])
    return set(re.findall(rf"(?:{a}|{b})\.(\d+) > (?:{a}|{b})\.(\d+):", dump.output()))


def play(tap, moon, sun, family):
    dump = sun.start(["tcpdump", "-n", "-l", "--immediate-mode", "-i", "eth0", "udp or esp"], "tcpdump")
    dump.wait_for("listening", 5)
    for side, host in enumerate((moon, sun)):
        protect(host, side, family)
    tap.equal(f"IPv{family}: pings pass", (ping(moon, family), ping(sun, family, 1)), (PINGS, PINGS))
    wait_until(lambda: len(ends(dump, family)) == 2, 3)
    a, b = map(str, PORT)
    tap.equal(f"IPv{family}: from port to port of the SAs, and nothing by another way", ends(dump, family), {(a, b), (b, a)})
    tap.equal(f"IPv{family}: each worker has a socket there, and none has the peer's port",
              [listening(moon, port, family) for port in PORT], [2, 0])
    tap.check(f"IPv{family}: a whole stream of data gets through", stream(moon, sun, family), moon.xfrm_stat())
    xfrm(sun, state(family, 1, (OTHER, PORT[1]), verb="update"))
    xfrm(moon, state(family, 0, (OTHER, PORT[1]), verb="update"))
    tap.equal(f"IPv{family}: another port by an update: pings pass", ping(moon, family), PINGS)
    tap.equal(f"IPv{family}: the old one is closed", [listening(moon, port, family) for port in (PORT[0], OTHER)], [0, 2])
    wait_until(lambda: (str(OTHER), b) in ends(dump, family), 3)
    tap.check(f"IPv{family}: they come from the new one", (str(OTHER), b) in ends(dump, family), ends(dump, family))
    dump.stop()
    for host in (moon, sun):
        xfrm(host, "state flush")
        xfrm(host, "policy flush")
    tap.equal(f"IPv{family}: with the last SA the ports go", [listening(h, p) for h in (moon, sun) for p in (*PORT, OTHER)], [0] * 6)


def stream(moon, sun, family):
    return tcp(moon, sun, INNER[family][1], bind=INNER[family][0]) > 0


def counting(tap, moon):
    """A port is open as long as one SA needs it."""
    for spi in (0x2000, 0x3000):
        xfrm(moon, state(4, 0, spi=spi))
    tap.equal("two SAs, one port", listening(moon, PORT[0]), 2)
    xfrm(moon, f"state delete dst {HOST[4][1]} proto esp spi 0x2000")
    tap.equal("it stays for the second", listening(moon, PORT[0]), 2)
    xfrm(moon, f"state delete dst {HOST[4][1]} proto esp spi 0x3000")
    tap.equal("and goes with it", listening(moon, PORT[0]), 0)
    xfrm(moon, f"state add src 198.51.100.9 dst {HOST[4][0]} proto esp spi 0x4000 mode tunnel {GCM} encap espinudp 7001 4500 0.0.0.0")
    tap.equal("the port of a peer is not opened here", listening(moon, 7001), 0)
    for i in range(SOURCES_MAX):
        xfrm(moon, state(4, 0, (7100 + i, PORT[1]), spi=0x5000 + i * 16))
    done = moon.ip_xfrm("xfrm " + state(4, 0, (7200, PORT[1]), spi=0x6000))
    tap.check("more ports than there may be are refused in words", done.returncode and f"{SOURCES_MAX} other ports" in done.stderr, done.stderr)
    xfrm(moon, "state flush")
    tap.equal("all are closed again", sum(listening(moon, 7100 + i) for i in range(SOURCES_MAX)), 0)


def taken(tap, moon):
    stranger = moon.start(["/usr/bin/python3", "-c", DAEMON, PORT[0], "alone"], "stranger")
    stranger.wait_for("bound", 5)
    done = moon.ip_xfrm("xfrm " + state(4, 0))
    tap.check("a port that somebody has is refused in words", done.returncode and f"UDP port {PORT[0]} (IPv4): Address already in use" in done.stderr,
              done.stderr)
    tap.equal("and there is no half-made SA", moon.ip_xfrm("xfrm state").stdout, "")
    xfrm(moon, state(4, 0, (OTHER, PORT[1])))
    done = moon.ip_xfrm("xfrm " + state(4, 0, verb="update"))
    tap.check("so is an update", done.returncode and "already in use" in done.stderr, done.stderr)
    tap.equal("after which the SA is what it was", ("sport %d" % OTHER in moon.ip_xfrm("xfrm state").stdout, listening(moon, OTHER)), (True, 2))
    stranger.stop()
    xfrm(moon, "state flush")


def beside_a_daemon(tap, moon, sun):
    daemon = sun.start(["/usr/bin/python3", "-c", DAEMON, PORT[1], "share"], "daemon")
    daemon.wait_for("bound", 5)
    for side, host in enumerate((moon, sun)):
        protect(host, side, 4)
    tap.equal("beside a daemon that shares the port: pings pass", ping(moon, 4), PINGS)
    moon(["/usr/bin/python3", "-c", "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
          f"s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0x50415649)\ns.sendto(bytes(40), ('{HOST[4][1]}', {PORT[1]}))"])
    tap.check("which gets IKE", daemon.wait_for("ike", 3), daemon.output())
    tap.check("and no ESP", "esp" not in daemon.output(), daemon.output())
    for host in (moon, sun):
        xfrm(host, "state flush")
        xfrm(host, "policy flush")
    daemon.stop()


def with_a_kernel(lab, tap, moon):
    if realkernel.missing():
        tap.skip("against a real kernel", "no test bed with a real kernel here")
        return
    cable, out = lab.host("cable"), os.path.join(lab.dir, "kernel")
    lab.wire(moon, "eth1", cable, "eth0")
    os.makedirs(out)
    moon("ip link set eth0 down")
    for host, device in ((moon, "eth1"), (cable, "eth0")):
        for setting in ("tso", "gso", "gro", "tx"):
            host.try_run(["ethtool", "-K", device, setting, "off"])
    lines = [f"ip link set lo up\nip link set vec0 address {MAC} up mtu 1500", f'/usr/bin/python3 -c "{ENCAP}" > $RK_OUT/encap 2>&1 &']
    for family, bits, whole in ((4, 24, 32), (6, 64, 128)):
        nodad = "nodad" if family == 6 else ""
        moon(f"ip address add {HOST[family][0]}/{bits} dev eth1 {nodad}")
        lines += [f"ip address add {HOST[family][1]}/{bits} dev vec0 {nodad}", f"ip address add {INNER[family][1]}/{whole} dev lo {nodad}",
                  f"ip -{family} route add {INNER[family][0]}/{whole} dev vec0 src {INNER[family][1]}",
                  f"ip -{family} neigh replace {HOST[family][0]} lladdr {mac_of(moon, 'eth1')} dev vec0 nud permanent"]
        moon(f"ip -{family} neigh replace {HOST[family][1]} lladdr {MAC} dev eth1 nud permanent")
        nets = [f"{address}/{whole}" for address in INNER[family]]
        lines += ["ip xfrm " + command.replace(NAME, f"'{NAME}'") for command in (state(family, 0), state(family, 1), *policies(family, 1, nets))]
        for command in (state(family, 0), state(family, 1), *policies(family, 0, nets)):
            xfrm(moon, command)
    lines.append("touch $RK_OUT/ready\nwhile [ ! -e $RK_OUT/done ]; do sleep 0.05; done")
    guest = cable.start([realkernel.BED, "--timeout", 120, "--out", out, "--raw", "eth0", cable.file("guest.sh", "\n".join(lines) + "\n")], "guest")
    wait_until(lambda: os.path.exists(os.path.join(out, "ready")) or not guest.alive(), 180)
    for family in (4, 6):
        tap.check(f"IPv{family}: pings pass with a real kernel", ping(moon, family) == PINGS,
                  str({k: v for k, v in moon.xfrm_stat().items() if v}) + guest.output()[-1500:])
    with open(os.path.join(out, "done"), "w", encoding="utf-8"):
        pass
    wait_until(lambda: not guest.alive(), 10)


def test(lab, tap):
    moon, sun = lab.host("moon"), lab.host("sun")
    lab.wire(moon, "eth0", sun, "eth0")
    for side, host in enumerate((moon, sun)):
        for family, bits, whole in ((4, 24, 32), (6, 64, 128)):
            nodad = ["nodad"] if family == 6 else []
            host(["ip", "address", "add", f"{HOST[family][side]}/{bits}", "dev", "eth0", *nodad])
            host(["ip", "address", "add", f"{INNER[family][side]}/{whole}", "dev", "lo", *nodad])
    first = moon.xfrmd("--guard", "nft", "--workers", 2)
    sun.xfrmd()
    for family in (4, 6):
        play(tap, moon, sun, family)
    counting(tap, moon)
    taken(tap, moon)
    beside_a_daemon(tap, moon, sun)
    with_a_kernel(lab, tap, moon)
    first.stop()


if __name__ == "__main__":
    main(test, "ESP in UDP on any ports")
