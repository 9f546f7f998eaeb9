#!/usr/bin/python3
"""MOBIKE (RFC 4555) with Debian's strongSwan, in both roles: the one who began takes another address, then
goes behind a NAT and comes out again; pings pass afterwards, and the IKE SA stays the same."""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
import strongswan
from lab import main, wait_until
from sites import ALICE, BOB, Sites

NAT = """table ip nat {
    chain post {
        type nat hook postrouting priority 100
        oifname eth1 ip saddr 192.0.2.128/25 masquerade
    }
}"""
PLACES = ("192.0.2.77", "192.0.2.130", "192.0.2.1")  # the second one is behind the NAT


def arrive(host, address, old):
    host(["ip", "address", "add", address + "/24", "dev", "eth0"])
    host(["ip", "route", "replace", "default", "via", "192.0.2.254", "src", address])
    host(["ip", "address", "del", old + "/24", "dev", "eth0"])


def passes(site):
    return wait_until(lambda: site.alice.ping(BOB[4], 1, 0.1, wait=1) and site.bob.ping(ALICE[4], 1, 0.1, wait=1), 8)


def travel(site, tap, name, log):
    old = "192.0.2.1"
    for place in PLACES:
        arrive(site.moon, place, old)
        time.sleep(1.5)
        tap.check(f"{name}: pings pass both ways from {place}", passes(site), log()[-2500:])
        old = place
    # strongSwan's user-space ESP cannot move an SA, so it rekeys the child SA; the IKE SA goes on.
    tap.equal(f"{name}: the IKE SA is still the first one, on both sides", log().count("established between"), 2)


def we_move(site, tap, options):
    site.xfrmd[site.moon] = site.moon.xfrmd()
    iked = site.moon.iked(site.config("moon", **options))
    peer = strongswan.StrongSwan(site.sun, site.config("sun", **options))
    done = site.moon.pavise("up", "net-net")
    if tap.check("we begin: the tunnel is up", done.returncode == 0, done.stdout + done.stderr):
        travel(site, tap, "we move", lambda: iked.output() + peer.log())
    iked.stop()
    site.xfrmd[site.moon].stop()
    peer.stop()


def strongswan_moves(site, tap, options):
    site.xfrmd[site.sun] = site.sun.xfrmd()
    iked = site.sun.iked(site.config("sun", **options))
    peer = strongswan.StrongSwan(site.moon, site.config("moon", **options))
    said = peer.swanctl("--initiate", "--child", "net-net", check=False)
    if tap.check("strongSwan begins: the tunnel is up", "initiate completed successfully" in said, said):
        travel(site, tap, "strongSwan moves", lambda: iked.output() + peer.log())
    iked.stop()
    site.xfrmd[site.sun].stop()
    peer.stop()


def test(lab, tap):
    if strongswan.missing():
        tap.skip("strongSwan", strongswan.missing())
        return
    site = Sites(lab)
    site.moon.sysctl(net__ipv4__conf__all__promote_secondaries=1, net__ipv4__conf__eth0__promote_secondaries=1)
    for host in (site.moon, site.sun):  # they shall stay with IPv4
        host("ip -6 address flush dev eth0")
    site.cafe.nft(NAT)
    options = {"encap": True, "inner": (4,), "remote_any": True, "conn_extra": "local_addrs = %any"}
    we_move(site, tap, options)
    strongswan_moves(site, tap, options)


if __name__ == "__main__":
    main(test, "MOBIKE with Debian's strongSwan")
