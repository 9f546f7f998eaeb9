#!/usr/bin/python3
"""The default policy to block (SETDEFAULT): what no policy names dies on the way out, in and through, on every device;
what is protected, IKE and what a policy allows lives. By both guards, and for the kernel's XFRM as the judge.

    alice --- moon --- sun      moon is the one with the default"""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import ECHO_SERVER, PAVISE, PRELOAD, Failed, main, wait_until
from wire import mac_of

FAMILIES = (4, 6)
ALICE = {4: "10.1.0.10", 6: "fd00:1::10"}
NEAR = {4: "10.1.0.1", 6: "fd00:1::1"}
HOST = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
INNER = {4: ("10.9.0.1", "10.9.0.2"), 6: ("fd09::1", "fd09::2")}
BITS = {4: (24, 32), 6: (64, 128)}
GCM = f"aead rfc4106(gcm(aes)) 0x{'0123456789abcdef' * 2}cafebabe 128"
ECHO = 9500
GRACE = 2
# Directions that block, and what lives then: out of moon, into it, through it. An answer goes the other way, and what
# is forwarded leaves, too.
ROWS = (((), (1, 1, 1)), (("out",), (0, 0, 0)), (("in",), (0, 0, 1)), (("fwd",), (1, 1, 0)), (("in", "out", "fwd"), (0, 0, 0)))

# An IKE daemon's sockets: exempt from policies, as charon and pluto make them. As many answers as asked for: exit status 0.
IKE = f"""
import socket, struct, sys
good = 0
for host, family, level, option in (("{HOST[4][1]}", socket.AF_INET, 0, 17), ("{HOST[6][1]}", socket.AF_INET6, 41, 35)):
    for port in (500, 4500):
        s = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            s.setsockopt(41, socket.IPV6_V6ONLY, 1)
        for way in (0, 1):
            s.setsockopt(level, option, struct.pack("=40xH118xB7x", family, way))
        s.bind(("", port))
        s.settimeout(1)
        try:
            s.sendto(bytes(40), (host, {ECHO}))
            good += s.recv(100) == bytes(40)
        except OSError as error:
            print(host, port, error)
sys.exit(good != 4)
"""


def by_executor(host, command):
    done = host.ip_xfrm("xfrm " + command)
    if done.returncode:
        raise Failed(f"{host.name}: ip xfrm {command}: {done.stdout}{done.stderr}")


def by_kernel(host, command):
    host("ip xfrm " + command)


def block(host, xfrm, directions):
    for direction in ("in", "out", "fwd"):
        xfrm(host, f"policy setdefault {direction} {'block' if direction in directions else 'accept'}")


def pings(*wanted):
    """For each (host, target, source): does it get answers? All at a time."""
    running = []
    for host, target, source in wanted:
        options = ["-I", source] if source else []
        running.append(host.start(["ping", "-n", "-q", "-c", 2, "-i", 0.1, "-W", 0.6, *options, target], "ping"))
    alive = tuple(int(p.popen.wait(10) == 0) for p in running)
    for process in running:  # of so many nobody wants to see the words
        wanted[0][0].lab.processes.remove(process)
    return alive


def plain(alice, moon, sun):
    """(out, in, fwd) for each family: 1 lives, 0 does not."""
    got = pings(*(ask for f in FAMILIES for ask in ((moon, HOST[f][1], None), (sun, HOST[f][0], None), (alice, HOST[f][1], None))))
    return got[:3], got[3:]


def protected(moon):
    return pings(*((moon, INNER[f][1], INNER[f][0]) for f in FAMILIES))


def ike(moon):
    done = moon.try_run(["env", f"LD_PRELOAD={PRELOAD}", "/usr/bin/python3", "-c", IKE])
    return done.stdout + done.stderr if done.returncode else ""


def allowances(verb):
    """What lets pings pass out of moon, into it and through it, and their answers."""
    for f in FAMILIES:
        bits = BITS[f][1]
        for src, dst, directions in ((HOST[f][0], HOST[f][1], ("out",)), (HOST[f][1], HOST[f][0], ("in",)),
                                     (ALICE[f], HOST[f][1], ("out", "fwd")), (HOST[f][1], ALICE[f], ("out", "fwd"))):
            for direction in directions:
                yield f"policy {verb} src {src}/{bits} dst {dst}/{bits} dir {direction}"


def table(tap, name, hosts, xfrm, more=None, rows=ROWS):
    for directions, want in rows:
        block(hosts[1], xfrm, directions)
        what = f"{name}, {' '.join(directions) or 'nothing'} blocked"
        for f, got in zip(FAMILIES, plain(*hosts)):
            tap.equal(f"{what}: out, in, through (IPv{f})", got, want)
        if more:
            more(what)
    for command in allowances("add"):
        xfrm(hosts[1], command)
    tap.equal(f"{name}, all blocked: what policies allow lives", plain(*hosts), ((1, 1, 1), (1, 1, 1)))
    for command in allowances("delete"):
        xfrm(hosts[1], command)
    tap.equal(f"{name}: and no longer than they do", plain(*hosts), ((0, 0, 0), (0, 0, 0)))
    block(hosts[1], xfrm, ())
    tap.equal(f"{name}: with the default to accept all is as before", plain(*hosts), ((1, 1, 1), (1, 1, 1)))


def tunnel(host, side):
    for f in FAMILIES:
        for way in (0, 1):
            by_executor(host, f"state add src {HOST[f][way]} dst {HOST[f][1 - way]} proto esp spi {0x1000 + way:#x} reqid 1 mode tunnel {GCM}")
        for direction, way in (("out", side), ("in", 1 - side)):
            by_executor(host, f"policy add src {INNER[f][way]}/{BITS[f][1]} dst {INNER[f][1 - way]}/{BITS[f][1]} dir {direction}"
                              f" tmpl src {HOST[f][way]} dst {HOST[f][1 - way]} proto esp reqid 1 mode tunnel")


def guarded(tap, name, hosts, options):
    executor = hosts[1].xfrmd(*options)
    tunnel(hosts[1], 0)

    def more(what):
        tap.equal(f"{what}: what is protected lives (IPv4, IPv6)", protected(hosts[1]), (1, 1))
        tap.equal(f"{what}: so do ports 500 and 4500 of exempt sockets", ike(hosts[1]), "")

    # nft for IPv6 has been through all of it before nft for both
    table(tap, name, hosts, by_executor, more, ROWS[-2:] if "nft" in options else ROWS)
    dropped = hosts[1].try_run([PAVISE, "xfrm", "stat", "--json"]).stdout
    tap.check(f"{name}: the drops are counted", '"clear_in": 0' not in dropped and '"clear_out": 0' not in dropped, dropped[:400])
    after_death(tap, name, hosts, executor, options)


def after_death(tap, name, hosts, executor, options):
    moon = hosts[1]
    block(moon, by_executor, ("in", "out", "fwd"))
    executor.stop(signal.SIGKILL)
    dead = ((0, 0, 0), (0, 0, 0))
    tap.equal(f"{name}: the block outlives one who is killed", plain(*hosts), dead)
    started = time.monotonic()
    executor = moon.xfrmd("--grace", GRACE, *options)
    tap.equal(f"{name}: the next one keeps it", plain(*hosts), dead)
    tap.check(f"{name}: for the grace", wait_until(lambda: plain(*hosts) == ((1, 1, 1), (1, 1, 1)), GRACE + 5)
              and time.monotonic() - started >= GRACE, executor.output())
    block(moon, by_executor, ("in", "out", "fwd"))
    executor.stop(signal.SIGKILL)
    executor = moon.xfrmd("--grace", 60, *options)
    block(moon, by_executor, ())
    tap.equal(f"{name}: or until it is told", plain(*hosts), ((1, 1, 1), (1, 1, 1)))
    block(moon, by_executor, ("out",))
    executor.stop()
    tap.equal(f"{name}: a clean end takes it away", plain(*hosts), ((1, 1, 1), (1, 1, 1)))
    tap.equal(f"{name}: and all that stood for it", moon("ip xfrm policy") + moon("nft list tables"), "")


def town(lab):
    alice, moon, sun = (lab.host(n) for n in ("alice", "moon", "sun"))
    lab.wire(alice, "eth0", moon, "eth1")
    lab.wire(moon, "eth0", sun, "eth0")
    macs = [(host, mac_of(host, device), device, peer) for host, device, peer in
            ((alice, "eth0", moon), (moon, "eth1", alice), (moon, "eth0", sun), (sun, "eth0", moon))]
    for f in FAMILIES:
        nodad = ["nodad"] if f == 6 else []
        for host, device, address, length in ((alice, "eth0", ALICE[f], 0), (moon, "eth1", NEAR[f], 0), (moon, "eth0", HOST[f][0], 0),
                                              (sun, "eth0", HOST[f][1], 0), (moon, "lo", INNER[f][0], 1), (sun, "lo", INNER[f][1], 1)):
            host(["ip", "address", "add", f"{address}/{BITS[f][length]}", "dev", device, *nodad])
        alice(f"ip -{f} route add default via {NEAR[f]}")
        sun(f"ip -{f} route add {ALICE[f]}/{BITS[f][1]} via {HOST[f][0]}")
    moon.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
    return (alice, moon, sun), macs


def neighbours(macs):
    """The kernel's XFRM knows no exception for neighbour discovery."""
    at = {"alice": ALICE, "sun": {f: HOST[f][1] for f in FAMILIES}}
    for host, _mac, device, peer in macs:
        theirs = next(m for h, m, _d, p in macs if h is peer and p is host)
        where = at.get(peer.name) or (NEAR if host.name == "alice" else {f: HOST[f][0] for f in FAMILIES})
        for f in FAMILIES:
            host(f"ip -{f} neigh replace {where[f]} lladdr {theirs} dev {device} nud permanent")


def test(lab, tap):
    hosts, macs = town(lab)
    _alice, moon, sun = hosts
    server = sun.start(["/usr/bin/python3", "-c", ECHO_SERVER, ECHO], "echo")
    server.wait_for("bound", 5)
    sun.xfrmd()
    tunnel(sun, 1)
    for name, options in (("guard auto", ()), ("guard nft", ("--guard", "nft"))):
        guarded(tap, name, hosts, options)
    if moon.try_run("ip xfrm policy setdefault out accept").returncode:
        tap.skip("the kernel's XFRM does the same", "this kernel's XFRM has no default policy")
        return
    neighbours(macs)
    table(tap, "the kernel's XFRM", hosts, by_kernel)


if __name__ == "__main__":
    main(test, "default policy to block")
