#!/usr/bin/python3
"""executor = kernel: the same diplomat drives the Linux kernel's own XFRM.

On this host's kernel as far as it goes (one without ESP is refused at the start, with a sentence); in a
real kernel with ESP where the test bed for that is at hand (../shared/realkernel next to the checkout):
tunnel, ping, rekeying, and a change of address (MOBIKE)."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import realkernel
from lab import Failed, main, wait_until
from sites import ALICE, BOB, Sites

def tunnel(site, tap):
    """The whole job on a kernel with ESP."""
    for outer, encap in ((4, False), (4, True), (6, False)):
        name = f"kernel ESP, {'UDP' if encap else 'raw'} over IPv{outer}"
        site.start(executor="kernel", outer=outer, encap=encap, inner=(4, 6))
        site.up()
        tap.equal(f"{name}: ping passes", (site.alice.ping(BOB[4], 3), site.alice.ping(BOB[6], 3)), (3, 3))
        tap.equal(f"{name}: ping the other way passes", site.bob.ping(ALICE[4], 3), 3)
        for what in ("net-net", "sites"):
            done = site.moon.pavise("rekey", what)
            tap.check(f"{name}: {what} is rekeyed", done.returncode == 0, done.stdout + done.stderr)
            tap.equal(f"{name}: ping passes after that", site.alice.ping(BOB[4], 3), 3)
        done = site.moon.pavise("down", "sites")
        state = site.moon("ip xfrm state")
        tap.check(f"{name}: closed, the kernel holds no SA any more", done.returncode == 0 and "proto esp" not in state, state)
        for process in site.iked.values():
            process.stop()
        left = site.moon("ip xfrm policy")
        tap.check(f"{name}: the daemon stops and leaves no policy", "tmpl" not in left, left)


def moves(site, tap):
    """MOBIKE: the kernel's SAs get new addresses, and keep their keys, windows and numbers."""
    moon = site.moon
    moon.sysctl(net__ipv4__conf__all__promote_secondaries=1, net__ipv4__conf__eth0__promote_secondaries=1)
    site.start(executor="kernel", inner=(4,), remote_any=True, conn_extra="local_addrs = %any")
    site.up()
    tap.equal("moving: ping passes", site.alice.ping(BOB[4], 3), 3)
    before = set(re.findall(r"spi (0x[0-9a-f]+)", moon("ip xfrm state")))
    moon("ip address add 192.0.2.77/24 dev eth0")
    moon("ip route replace default via 192.0.2.254 src 192.0.2.77")
    moon("ip address del 192.0.2.1/24 dev eth0")
    moved = wait_until(lambda: all("192.0.2.77" in h("ip xfrm state") and "192.0.2.1 " not in h("ip xfrm state")
                                   for h in (moon, site.sun)), 10, 0.2)
    state = moon("ip -s xfrm state")
    tap.check("moving: both kernels' SAs are at the new address", moved, state + site.iked[moon].output()[-1500:])
    tap.equal("moving: they are the same SAs", set(re.findall(r"spi (0x[0-9a-f]+)", moon("ip xfrm state"))), before)
    tap.equal("moving: ping passes both ways", (site.alice.ping(BOB[4], 3), site.bob.ping(ALICE[4], 3)), (3, 3))
    numbers = [int(n, 16) for n in re.findall(r"oseq (0x[0-9a-f]+)", moon("ip xfrm state"))]
    tap.check("moving: no sequence number is used twice", max(numbers) > 1 << 20, numbers)
    for process in site.iked.values():
        process.stop()


POOL = "pools {\n    guests {\n        addrs = 10.3.0.10-10.3.0.20\n    }\n}\n"


def leaves_from_its_address(site, tap):
    """A client: what the host sends into the tunnel has the virtual address, by a route that comes and goes with the child."""
    moon, sun = site.moon, site.sun
    site.iked[sun] = sun.iked(site.config("sun", inner=(4,), conn_extra="pools = guests", child_extra="remote_ts = dynamic") + POOL,
                              "--executor", "kernel", "--strongswan-conf", "no")
    site.iked[moon] = moon.iked(site.config("moon", inner=(4,), conn_extra="vips = 0.0.0.0", child_extra="local_ts = dynamic"),
                                "--executor", "kernel", "--strongswan-conf", "no")
    site.up()
    routes = moon("ip route show table 220")
    tap.check("client: a route in table 220 says where packets leave and from which address", "10.2.0.0/16 via 192.0.2.254 dev eth0" in routes
              and "src 10.3.0.10" in routes, routes)
    tap.equal("client: pings pass, from the virtual address", moon.ping("10.2.0.10", 3), 3)
    tap.check("client: rekeyed, the route stays", moon.pavise("rekey", "net-net").returncode == 0 and "src 10.3.0.10" in moon("ip route show table 220"))
    tap.check("client: IKE goes round it", "not from all fwmark 0x50415649 lookup 220" in moon("ip rule"), moon("ip rule"))
    moon.pavise("down", "sites")
    tap.check("client: closed, the route is gone", wait_until(lambda: not moon("ip route show table 220").strip(), 5), moon("ip route show table 220"))
    for process in site.iked.values():
        process.stop()
    tap.check("client: stopped, so is the rule", "lookup 220" not in moon("ip rule"), moon("ip rule"))
    conf = moon.file("strongswan.conf", "charon {\n    install_routes = no\n}\n")
    site.iked[moon] = moon.iked(site.config("moon", inner=(4,)), "--executor", "kernel", "--strongswan-conf", conf)
    tap.check("install_routes = no: no rule", "lookup 220" not in moon("ip rule"))
    site.iked[moon].stop()


def without_iptfs(site, tap):
    """Linux before 6.14: mode = iptfs is a tunnel, and the daemon says so."""
    if tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 14):
        tap.skip("a kernel without IP-TFS", "this one may have it")
        return
    site.start(executor="kernel", inner=(4,), child_extra="mode = iptfs")
    site.up()
    said = site.iked[site.moon].output()
    tap.check("no IP-TFS: said with the remedy", "mode = iptfs becomes tunnel mode" in said and "Linux 6.14" in said, said[-2000:])
    tap.check("no IP-TFS: the peer is not asked for it", "AGGFRAG" not in said, said[-2000:])
    tap.equal("no IP-TFS: ping passes", site.alice.ping(BOB[4], 3), 3)
    state = site.moon("ip xfrm state")
    tap.check("no IP-TFS: two tunnels", state.count("mode tunnel") == 2, state)
    site.moon.pavise("down", "sites")
    for process in site.iked.values():
        process.stop()


def without_esp(site, tap):
    """The daemon says at once that it cannot work here, and what to do; it never half-works."""
    try:
        site.start(executor="kernel", inner=(4,))
        said = ""
    except Failed as refused:
        said = str(refused)
    tap.check("kernel without ESP: pavise-iked refuses to start, says why and what to do", "this kernel has no ESP" in said
              and "pavise-xfrmd" in said, said)
    tap.equal("kernel without ESP: no state is left in it", site.moon("ip xfrm state").strip(), "")


def test(lab, tap):
    site = Sites(lab)
    if realkernel.host_has_esp():
        tunnel(site, tap)
        leaves_from_its_address(site, tap)
        without_iptfs(site, tap)
        moves(site, tap)  # last: moon stays where it is then
        return
    without_esp(site, tap)
    lab.close()
    if realkernel.missing():
        tap.skip("kernel with ESP", realkernel.missing())
        return
    realkernel.retell(realkernel.again(__file__), tap)


if __name__ == "__main__":
    main(test, "executor = kernel")
