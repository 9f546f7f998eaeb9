#!/usr/bin/python3
"""Clients with addresses of the gateway's own network (strongSwan's plugin farp): neighbours there ask for them by ARP and
get an answer, as long as the client's child SA is up, and only where the plugin is loaded."""
import os
import re
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import main, wait_until
from sites import Sites

CLIENT, NOBODY = "10.2.77.1", "10.2.77.2"
POOL = f"pools {{\n    guests {{\n        addrs = {CLIENT}-{CLIENT}\n    }}\n}}\n"
FARP = "charon {\n    plugins {\n        farp {\n            load = yes\n        }\n    }\n    load_modular = yes\n}\n"
# A neighbour that there is not asks for somebody.
ASK = """
import sys
from scapy.all import ARP, Ether, srp1
request = ARP(hwsrc="02:00:00:00:00:63", psrc="10.2.0.99", pdst=sys.argv[1])
answer = srp1(Ether(src=request.hwsrc, dst="ff:ff:ff:ff:ff:ff") / request, iface="eth0", timeout=2, verbose=0)
print(answer.hwsrc if answer else "nobody")
"""


def found(site, ip=CLIENT):
    """The hardware address that bob is told; None: nobody answers."""
    site.bob("ip neigh flush dev eth0")
    site.bob.ping(ip, 1, wait=1)
    told = re.search(r"lladdr (\S+)", site.bob(f"ip neigh show {ip} dev eth0"))
    return told and told[1]


def gateway_mac(site):
    return site.sun("cat /sys/class/net/eth1/address").strip()


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


def told(site, ip):
    return site.bob(["/usr/bin/python3", "-c", ASK, ip]).strip()


def at_home(site, tap):
    """A peer that is in that network itself, by its own address: it answers for itself."""
    for host in (site.sun, site.bob):
        site.xfrmd[host] = host.xfrmd()
    here = {"192.0.2.1": "10.2.0.10", "198.51.100.1": "10.2.0.1"}
    for host, me, child, options in ((site.sun, "sun", "remote_ts = dynamic", ("--strongswan-conf", site.sun.file("strongswan.conf", FARP))),
                                     (site.bob, "moon", "local_ts = dynamic\nremote_ts = 10.2.0.1/32", ("--strongswan-conf", "no"))):
        config = site.config(me, inner=(4,), child_extra=child)
        for there, address in here.items():
            config = config.replace(there, address)
        site.iked[host] = host.iked(config, *options)
    site.up(host=site.bob)
    tap.equal("nobody answers for a peer that is there itself", told(site, "10.2.0.10"), "nobody")


def stop(site):
    for daemons in (site.iked, site.xfrmd):
        for process in daemons.values():
            process.stop()
        daemons.clear()


def test(lab, tap):
    site = Sites(lab)
    tap.check("with farp: the client has an address of the network behind the gateway", start(site, FARP), site.iked[site.moon].output())
    tap.equal("the gateway answers ARP for it", found(site), gateway_mac(site))
    tap.equal("... whoever asks", told(site, CLIENT), gateway_mac(site))
    tap.equal("... and for nobody else", found(site, NOBODY), None)
    tap.equal("without the kernel's help", site.sun("ip neigh show proxy"), "")
    tap.equal("a neighbour there reaches it", site.bob.ping(CLIENT, 3), 3)
    site.moon.pavise("down", "sites")
    tap.check("no answer any more when the child SA has gone", wait_until(lambda: not found(site), 10))
    site.up()
    tap.equal("up again, so is the answer", found(site), gateway_mac(site))
    site.iked[site.sun].stop(signal.SIGKILL)
    tap.equal("a crash leaves no answers behind", found(site), None)
    stop(site)
    start(site, "")
    tap.equal("without farp nobody answers", found(site), None)
    stop(site)
    at_home(site, tap)
    stop(site)


if __name__ == "__main__":
    main(test, "ARP for clients")
