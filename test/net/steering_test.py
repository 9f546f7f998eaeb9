#!/usr/bin/python3
"""Which packets a child is for, beside its selectors: `icmp`, marks, `interface`, and what of that each executor can do.

With pavise-xfrmd here: ICMP errors of routers that no selector names, and the sentences for what only a kernel can (marks:
marks_test.py). In the full
run (PAVISE_FULL=1) also in a real kernel, where the test bed for that is at hand (../shared/realkernel next to the checkout):
marks that are chosen, marks on what comes out of a tunnel, and outbound policies of one device."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import realkernel
from lab import PAVISE, main, wait_until
from sites import Sites

FULL = os.environ.get("PAVISE_FULL") == "1"
# alice's packets expire at sun, whose address towards bob is outside of what the child names.
ICMP_TS = {"moon": "local_ts = 10.1.0.0/16\nremote_ts = 10.2.0.8/29", "sun": "local_ts = 10.2.0.8/29\nremote_ts = 10.1.0.0/16"}
ICMP6_TS = {"moon": "local_ts = fd00:1::/64\nremote_ts = fd00:2::10/128", "sun": "local_ts = fd00:2::10/128\nremote_ts = fd00:1::/64"}
COUNT_CLEAR = """table inet seen {
    counter errors { }
    chain pass {
        type filter hook forward priority 0
        ip protocol icmp counter name errors
        meta l4proto icmpv6 icmpv6 type { destination-unreachable, time-exceeded, packet-too-big } counter name errors
    }
}"""


def counted(host, name):
    listed = json.loads(host("nft -j list counters table inet seen"))["nftables"]
    return next(c["counter"]["packets"] for c in listed if c.get("counter", {}).get("name") == name)


def start(site, child, executor="pavise", conn="", **more):
    for host in (site.moon, site.sun):
        if executor == "pavise":
            site.xfrmd[host] = host.xfrmd()
        site.iked[host] = host.iked(site.config(host.name, child_extra=child[host.name], conn_extra=conn, **more),
                                    "--executor", executor, "--strongswan-conf", "no")
    site.up()


def stop(site):
    for process in [*site.iked.values(), *site.xfrmd.values()]:
        process.stop()
    site.iked, site.xfrmd = {}, {}


def expires(site, family):
    """Who tells alice that her packet's time is over?"""
    target, router = (("10.2.0.10", r"10\.2\.0\.1\b|198\.51\.100\.1\b") if family == 4 else ("fd00:2::10", r"fd00:2::1\b|2001:db8:b::1\b"))
    said = site.alice.try_run(["ping", "-n", "-c", 1, "-W", 2, "-t", 2, target]).stdout
    return bool(re.search(rf"From ({router}).*(exceeded|Hop limit)", said)), said


def icmp(site, tap):
    """sun's complaint has an address that no selector names: with icmp = yes it takes the tunnel all the same."""
    site.cafe.nft(COUNT_CLEAR)
    for family, ts, inner in ((4, ICMP_TS, (4,)), (6, ICMP6_TS, (6,))):
        for icmp_key in ("no", "yes") if FULL or family == 4 else ("yes",):
            start(site, {name: f"{lines}\nicmp = {icmp_key}" for name, lines in ts.items()}, inner=inner)
            site.cafe("nft reset counters table inet seen")
            came, said = expires(site, family)
            name = f"IPv{family}, icmp = {icmp_key}"
            if icmp_key == "yes":
                tap.check(f"{name}: a router that no selector names is heard", came, said)
                tap.equal(f"{name}: nothing went in clear", counted(site.cafe, "errors"), 0)
            else:
                drops = site.moon.xfrm_stat()
                tap.check(f"{name}: the error does not come through the tunnel", counted(site.cafe, "errors") > 0 or not came, (said, drops))
            tap.equal(f"{name}: pings pass", site.alice.ping("10.2.0.10" if family == 4 else "fd00:2::10"), 3)
            stop(site)


def only_the_kernel(site, tap):
    """What a TUN device cannot do is said when the configuration is read, and when the child is wanted."""
    moon = site.moon
    process = moon.xfrmd()
    site.iked[moon] = moon.iked(site.config("moon", child_extra="mark_in_sa = yes\nmark_in = 5"), "--executor", "pavise", "--strongswan-conf", "no")
    done = moon.pavise("up", "net-net")
    said = done.stdout + done.stderr + site.iked[moon].output()
    tap.check("mark_in_sa with pavise-xfrmd: refused with the reason", done.returncode != 0
              and "mark_in_sa of net-net is nothing that pavise-xfrmd can do" in said, said[-1200:])
    done = moon.try_run([PAVISE, "check", os.path.join(moon.dir, "swanctl.conf")])
    tap.check("mark_in_sa: pavise check says so, with the remedy", "executor = kernel" in done.stdout + done.stderr, done.stdout + done.stderr)
    stop(site)
    process.stop()


# ---- in a kernel with ESP ----

def mangle(host, chain, *rule):
    host(["iptables-legacy", "-t", "mangle", "-A", chain, *rule])


def packets(host, chain, what):
    lines = host(f"iptables-legacy -t mangle -L {chain} -n -v -x").split("\n")
    return sum(int(line.split()[0]) for line in lines if what in line)


def marks(site, tap):
    """alice's packets are for the child only with its mark, which is chosen; what comes out of it has that mark, too."""
    moon = site.moon
    child = {"moon": "mark_in = %unique\nmark_out = %unique\nset_mark_in = %same\nmark_in_sa = no", "sun": ""}
    start(site, child, "kernel", inner=(4,))
    said = moon.swanctl("--list-sas", "--raw").stdout
    tap.check("mark = %unique: the first child SA has mark 1, and VICI says so", "mark-in=00000001 mark-out=00000001" in said, said)
    tap.check("the kernel's policies have it", moon("ip xfrm policy").count("mark 0x1/0xffffffff") == 3, moon("ip xfrm policy"))
    tap.check("the inbound SA gives it to what it opens", moon("ip xfrm state").count("output-mark 0x1/0xffffffff") == 1, moon("ip xfrm state"))
    before = moon("ip -s xfrm state")
    tap.equal("without the mark nothing is protected", (site.alice.ping("10.2.0.10", 2, wait=1), re.findall(r"oseq (0x0*[1-9a-f]\w*)", moon("ip xfrm state"))), (0, []))
    mangle(moon, "PREROUTING", "-i", "eth1", "-j", "MARK", "--set-mark", "1")
    mangle(moon, "FORWARD", "-o", "eth1", "-m", "mark", "--mark", "1")
    tap.check("with the mark pings pass", site.alice.ping("10.2.0.10", 5) == 5, before + moon("ip -s xfrm state"))
    tap.equal("and the answers come out with it", packets(moon, "FORWARD", "mark match 0x1"), 5)
    done = moon.pavise("rekey", "net-net")
    tap.check("rekeyed: the mark stays", done.returncode == 0 and wait_until(lambda: "0x2/" not in moon("ip xfrm state"), 2)
              and site.alice.ping("10.2.0.10", 3) == 3, moon("ip xfrm state"))
    moon("iptables-legacy -t mangle -F")
    stop(site)


def marked_sa(site, tap):
    """mark_in_sa: ESP itself finds its SA only with the mark."""
    moon = site.moon
    start(site, {"moon": "mark_in = 7\nmark_in_sa = yes", "sun": ""}, "kernel", inner=(4,))
    tap.equal("mark_in_sa: ESP without the mark is nobody's", site.alice.ping("10.2.0.10", 2, wait=1), 0)
    mangle(moon, "PREROUTING", "-i", "eth0", "-p", "esp", "-j", "MARK", "--set-mark", "7")
    tap.equal("mark_in_sa: with it pings pass", site.alice.ping("10.2.0.10", 3), 3)
    done = moon.pavise("down", "sites")
    tap.check("mark_in_sa: the end finds the SA, too", done.returncode == 0 and "proto esp" not in moon("ip xfrm state"), moon("ip xfrm state"))
    moon("iptables-legacy -t mangle -F")
    stop(site)


def device(site, tap):
    moon = site.moon
    start(site, {"moon": "interface = eth0", "sun": ""}, "kernel", inner=(4,))
    said = moon("ip xfrm policy")
    tap.check("interface: only the outbound policy is for that device", said.count(" dev eth0") == 1 and re.search(r"dev eth0 *\n\s*dir out", said), said)
    tap.equal("interface: pings pass", site.alice.ping("10.2.0.10", 3), 3)
    stop(site)
    start(site, {"moon": "interface = eth0\nicmp = yes", "sun": "icmp = yes"}, "kernel", inner=(4,))
    tap.check("icmp: the kernel's policies and inbound SA have the flag", moon("ip xfrm policy").count("flag icmp") == 3
              and moon("ip xfrm state").count(" icmp ") == 1, moon("ip xfrm policy") + moon("ip xfrm state"))
    stop(site)


def in_a_real_kernel(tap):
    if realkernel.missing():
        tap.skip("marks and devices", realkernel.missing())
        return
    realkernel.retell(realkernel.again(__file__, "inside"), tap)


def test(lab, tap):
    site = Sites(lab)
    if sys.argv[1:] == ["inside"]:
        for part in (marks, marked_sa, device):
            part(site, tap)
        return
    icmp(site, tap)
    only_the_kernel(site, tap)
    if FULL:
        in_a_real_kernel(tap)


if __name__ == "__main__":
    main(test, "which packets a child is for")
