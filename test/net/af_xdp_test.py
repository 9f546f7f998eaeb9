#!/usr/bin/python3
"""Gateways whose packets pass by the host's stack (AF_XDP): both kinds of ESP go from socket to socket,
everything else goes its old way, nothing protected leaves in clear, and the interfaces are as they were
when the daemon has ended, however it ended."""
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import PAVISE, XFRMD, main, wait_until
from sites import BOB, Sites
from traffic import iperf

OUTER, INNER = "eth0", "eth1"
SETTLED = 1.5  # seconds: a neighbour that was not known is asked for again after one
REORDERED = ("TcpExtTCPSACKReorder", "TcpExtTCPRenoReorder", "TcpExtTCPTSReorder")


def has_xdp():
    """Does this kernel know AF_XDP?"""
    import socket
    try:
        socket.socket(44, socket.SOCK_RAW).close()
    except OSError:
        return False
    return True


def stat(host):
    return json.loads(host([PAVISE, "xfrm", "stat", "--json"]))


def counts(host):
    """Packets by port and direction."""
    out = {}
    for port in stat(host)["ports"]:
        for way in ("in", "out"):
            out[port["name"], way] = out.get((port["name"], way), 0) + port["packets_" + way]
    return out


def grown(host, before):
    after = counts(host)
    return {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)}


def program_of(host, device):
    return json.loads(host(f"ip -j link show {device}"))[0].get("xdp")


def warm_up(site, family):
    """The next hops are known from here on."""
    site.alice.ping(BOB[family], 2)
    time.sleep(SETTLED)
    site.alice.ping(BOB[family], 2)


def by_xdp_alone(site, tap, what, family, short_cuts):
    """Pings go by the short cuts and by nothing else."""
    warm_up(site, family)
    before = {host: counts(host) for host in (site.moon, site.sun)}
    tap.equal(f"{what}: pings over IPv{family}", site.alice.ping(BOB[family], 20, 0.02), 20)
    for host in (site.moon, site.sun):
        got = {key: n for key, n in grown(host, before[host]).items() if n >= 20}
        tap.equal(f"{what}: {host.name} has carried them (IPv{family}) by", sorted(got), sorted(short_cuts))


def reordered(host):
    lines = host(["nstat", "-asz", *REORDERED]).split("\n")
    return sum(int(line.split()[1]) for line in lines if line.startswith("Tcp"))


def streams(site, tap, what):
    before = reordered(site.alice)
    end = iperf(site.alice, site.bob, BOB[4], "-t", "1", "-P", "2")
    tap.check(f"{what}: two streams of TCP", end.get("sum_received", {}).get("bytes", 0) > 100000, end)
    tap.equal(f"{what}: none of their segments came out of order", reordered(site.alice) - before, 0)


def datagrams(site, tap):
    end = iperf(site.alice, site.bob, BOB[4], "-t", "1", "-u", "-b", "2M", "-l", "1000").get("sum", {})
    tap.equal("of UDP datagrams, whose checksums the cable left undone, are lost", end.get("lost_packets"), 0)


def long_ones(site, tap, what):
    """Pieces, before and after they are protected, go through the host's stack."""
    tap.equal(f"{what}: pings that come in pieces", site.alice.ping(BOB[4], 5, 0.05, size=4000), 5)
    for host in (site.moon, site.cafe):
        host("ip link set eth0 mtu 1300")
    time.sleep(SETTLED)
    ping = f"ping -q -M dont -i 0.05 -s 1280 {BOB[4]}"
    site.alice.try_run(f"{ping} -c 2 -W 1")  # the first one shows moon that its link is another one now
    before = {host: counts(host) for host in (site.moon, site.sun)}
    done = site.alice.try_run(f"{ping} -c 5")
    tap.check(f"{what}: pings that come in pieces once protected", " 5 received" in done.stdout, done.stdout)
    for host in (site.moon, site.sun):
        tap.check(f"{what}: {host.name}'s stack puts them together",
                  grown(host, before[host]).get(("raw_ip", "in"), 0) >= 5, grown(host, before[host]))
    for host in (site.moon, site.cafe):
        host("ip link set eth0 mtu 1500")


def of_the_host(site, tap):
    """What is not the executor's, and what needs an answer of the host."""
    tap.equal("the gateway itself answers", (site.alice.ping("10.1.0.1"), site.alice.ping("fd00:1::1")), (3, 3))
    tap.equal("what no policy names is forwarded", site.alice.ping("192.0.2.254"), 3)
    first, second = (site.alice.try_run(f"ping -n -c 1 -W 2 -t {ttl} {BOB[4]}").stdout for ttl in (1, 2))
    tap.check("moon tells of a TTL that ends there", "From 10.1.0.1" in first and "exceeded" in first, first)
    tap.check("sun tells of a TTL that ends behind the tunnel", "exceeded" in second, second)


def no_leak(site, tap):
    """The policies are there, the SAs are not."""
    site.iked[site.sun].stop(signal.SIGKILL)
    ear = site.cafe.start(["tcpdump", "-n", "-l", "--immediate-mode", "-i", "eth0", "net", "10.2.0.0/16", "or", "net",
                           "fd00:2::/64"], "tcpdump")
    ear.wait_for("listening", 5)
    site.moon.ip_xfrm("xfrm state flush")
    lost = [site.alice.ping(BOB[family], 5, 0.05, wait=1) for family in (4, 6)]
    tap.equal("no SA: no answers", lost, [0, 0])
    site.xfrmd[site.moon].stop(signal.SIGKILL)
    tap.check("killed: the interfaces are as they were",
              wait_until(lambda: not program_of(site.moon, OUTER) and not program_of(site.moon, INNER), 5))
    site.alice.ping(BOB[4], 5, 0.05, wait=1)
    time.sleep(0.3)
    ear.stop(signal.SIGINT)
    seen = [line for line in ear.output().split("\n") if " > " in line]
    tap.equal("nothing leaves in clear, with no SA and with the executor killed", seen, [])


def raw(lab, tap):
    site = Sites(lab).start(xfrmd_options=["--xdp", f"{OUTER},{INNER}"])
    site.keep_order()
    for device in (OUTER, INNER):
        tap.check(f"{device} has a program", program_of(site.moon, device))
    site.up()
    cuts = [("xdp_outer", "in"), ("xdp_outer", "out"), ("xdp_inner", "in"), ("xdp_inner", "out")]
    for family in (4, 6):
        by_xdp_alone(site, tap, "raw ESP", family, cuts)
    streams(site, tap, "raw ESP")
    datagrams(site, tap)
    long_ones(site, tap, "raw ESP")
    of_the_host(site, tap)
    no_leak(site, tap)


def in_udp(lab, tap):
    """Only the outer interface; the IKE daemon shares the port with the program."""
    site = Sites(lab).start(xfrmd_options=["--xdp", OUTER], encap=True, outer=6)
    site.keep_order()
    site.up()
    cuts = [("xdp_outer", "in"), ("xdp_outer", "out"), ("tun", "in"), ("tun", "out")]
    by_xdp_alone(site, tap, "ESP in UDP over IPv6", 4, cuts)
    streams(site, tap, "ESP in UDP over IPv6")
    done = site.moon.swanctl("--rekey", "--ike", "sites")
    tap.check("IKE at the same port: rekeying", done.returncode == 0, done.stdout + done.stderr)
    tap.equal("and packets go on", site.alice.ping(BOB[4]), 3)
    tap.equal("a clean end", site.xfrmd[site.moon].stop(), 0)
    tap.equal("leaves the interface as it was", program_of(site.moon, OUTER), None)


def mixed(lab, tap):
    """One gateway with two workers and queues, one without AF_XDP; ESP in UDP over IPv4."""
    site = Sites(lab)
    site.options = {"encap": True}
    for host, device in ((site.moon, OUTER), (site.cafe, "eth0"), (site.moon, INNER), (site.alice, "eth0")):
        host(f"ethtool -L {device} rx 2 tx 2")
    site.xfrmd = {site.moon: site.moon.xfrmd("--xdp", f"{OUTER},{INNER}", "--workers", "2"), site.sun: site.sun.xfrmd()}
    tap.check("every queue has a socket", site.xfrmd[site.moon].output().count("2 queues") == 2,
              site.xfrmd[site.moon].output())
    site.iked = {host: host.iked(site.config(host.name, encap=True)) for host in (site.moon, site.sun)}
    site.keep_order()
    site.up()
    warm_up(site, 4)
    before = counts(site.moon)
    tap.equal("beside one with sockets: pings", site.alice.ping(BOB[4], 20, 0.02), 20)
    tap.check("by AF_XDP at one end", grown(site.moon, before).get(("xdp_outer", "out"), 0) >= 20,
              grown(site.moon, before))
    streams(site, tap, "beside one with sockets")


def jumbo(lab, tap):
    """Frames that are longer than those of the sockets go through the stack, in both directions."""
    site = Sites(lab)
    for host, device in ((site.alice, "eth0"), (site.moon, INNER), (site.moon, OUTER), (site.cafe, "eth0")):
        host(f"ip link set {device} mtu 9000")
    site.xfrmd = {site.moon: site.moon.xfrmd("--xdp", f"{OUTER},{INNER}", "--mtu", "8900"), site.sun: site.sun.xfrmd()}
    tap.check("with a long MTU the kernel runs the program", "generic" in site.xfrmd[site.moon].output(),
              site.xfrmd[site.moon].output())
    site.iked = {host: host.iked(site.config(host.name)) for host in (site.moon, site.sun)}
    site.up()
    warm_up(site, 4)
    before = counts(site.moon)
    done = site.alice.try_run(f"ping -q -M dont -c 5 -i 0.05 -s 5000 {BOB[4]}")
    tap.check("long packets get through", " 5 received" in done.stdout, done.stdout)
    tap.check("by the stack", grown(site.moon, before).get(("raw_ip", "out"), 0) >= 5, grown(site.moon, before))
    tap.equal("and short ones", site.alice.ping(BOB[4], 5), 5)


def refused(site, tap, what, value, words):
    done = subprocess.run(["ip", "netns", "exec", site.moon.ns, XFRMD, "--xdp", value, "--socket", "@second"],
                          capture_output=True, text=True, timeout=20, check=False)
    tap.check(f"refused: {what}", done.returncode == 1 and words in done.stderr, done.stderr)


def errors(lab, tap):
    site = Sites(lab)
    refused(site, tap, "an interface that is not there", "nosuch0", "there is no such interface")
    refused(site, tap, "one that is no Ethernet", "lo", "is no Ethernet interface")
    refused(site, tap, "one for both sides", f"{OUTER},{OUTER}", "must differ")
    refused(site, tap, "none", ",eth0", "takes the outer interface")
    site.moon.xfrmd("--xdp", OUTER)
    refused(site, tap, "one that has a program", OUTER, "another XDP program is attached")
    tap.check("which stays", program_of(site.moon, OUTER))


def test(lab, tap):
    if not has_xdp():
        tap.skip("packets past the host's stack", "this kernel has no AF_XDP")
        return
    for part in (raw, in_udp, mixed, jumbo, errors):
        part(lab, tap)
        lab.close()


if __name__ == "__main__":
    main(test, "AF_XDP")
