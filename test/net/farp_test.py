#!/usr/bin/python3
"""Clients with addresses of the gateway's own network (strongSwan's plugin farp): neighbours there ask for them by ARP and
get an answer, as long as the client's child SA is up, and only where the plugin is loaded."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import main, wait_until
from sites import Sites

CLIENT = "10.2.77.1"
POOL = f"pools {{\n    guests {{\n        addrs = {CLIENT}-{CLIENT}\n    }}\n}}\n"
FARP = "charon {\n    plugins {\n        farp {\n            load = yes\n        }\n    }\n    load_modular = yes\n}\n"


def proxied(host):
    return [line.split()[0] for line in host("ip neigh show proxy").split("\n") if line]


def start(site, settings):
    moon, sun = site.moon, site.sun
    for host in (moon, sun):
        site.xfrmd[host] = host.xfrmd()
    conf = sun.file("strongswan.conf", settings)
    site.iked[sun] = sun.iked(site.config("sun", inner=(4,), conn_extra="pools = guests", child_extra="remote_ts = dynamic") + POOL,
                              "--strongswan-conf", conf)
    site.iked[moon] = moon.iked(site.config("moon", inner=(4,), conn_extra="vips = 0.0.0.0", child_extra="local_ts = dynamic"),
                                "--strongswan-conf", "no")
    site.up()
    tables = moon("ip -4 address show")
    return f"inet {CLIENT}/32" in tables


def stop(site):
    for daemons in (site.iked, site.xfrmd):
        for process in daemons.values():
            process.stop()
        daemons.clear()


def test(lab, tap):
    site = Sites(lab)
    tap.check("with farp: the client has an address of the network behind the gateway", start(site, FARP), site.iked[site.moon].output())
    tap.equal("the gateway answers ARP for it alone", proxied(site.sun), [CLIENT])
    tap.equal("a neighbour there reaches it", site.bob.ping(CLIENT, 3), 3)
    site.moon.pavise("down", "sites")
    tap.check("no answer any more when the child SA has gone", wait_until(lambda: not proxied(site.sun), 10), proxied(site.sun))
    site.up()
    tap.equal("up again, so is the answer", proxied(site.sun), [CLIENT])
    tap.equal("a clean end", site.iked[site.sun].stop(), 0)
    tap.equal("leaves none behind", proxied(site.sun), [])
    stop(site)
    site.bob("ip neigh flush dev eth0")  # it remembers
    start(site, "")
    tap.equal("without farp nobody answers", (proxied(site.sun), site.bob.ping(CLIENT, 1, wait=1)), ([], 0))
    stop(site)


if __name__ == "__main__":
    main(test, "ARP for clients")
