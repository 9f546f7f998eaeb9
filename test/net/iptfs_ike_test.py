#!/usr/bin/python3
"""mode = iptfs (RFC 9347) through both daemons: agreed on by IKE, listed, carrying packets of every length both
ways, several to an ESP packet, rekeyed while they flow; a side that takes no packets in pieces gets them whole;
and with a peer that does not want it, tunnel mode."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import PAVISE, main, wait_until
from sites import ALICE, BOB, Sites
from traffic import capture
from transport_test import packets

DELAY = 20000  # microseconds that the first packet waits for others
SETTINGS = "charon {{\n    iptfs {{\n        init_delay = {delay}\n        {more}\n    }}\n}}\n"


def start(site, mode=("iptfs", "iptfs"), more=("", ""), **options):
    for side, host in enumerate((site.moon, site.sun)):
        conf = host.file("strongswan.conf", SETTINGS.format(delay=DELAY, more=more[side]))
        site.iked[host] = host.iked(site.config(host.name, inner=(4,), child_extra=f"mode = {mode[side]}", **options),
                                    "--strongswan-conf", conf)
    site.up()


def stop(site):
    site.moon.pavise("down", "sites")
    wait_until(lambda: not site.spis(site.moon) and not site.spis(site.sun), 10, 0.2)
    for process in site.iked.values():
        process.stop()


def sas(host):
    done = host.try_run([PAVISE, "xfrm", "state", "--json"])
    return json.loads(done.stdout)


def ways(host):
    """Mode and direction of each SA in the executor."""
    return sorted(re.findall(r"mode (\w+)", host.ip_xfrm("xfrm state list nokeys").stdout))


def listed(host):
    return re.findall(r"mode=(\w+)", host.swanctl("--list-sas", "--raw").stdout)


def passes(site, name, tap):
    for host, there in ((site.alice, BOB[4]), (site.bob, ALICE[4])):
        host.ping(there, 2, size=1472)  # what the device takes is learned by its first long packet
    for size in (16, 1372, 1472, 4000):
        tap.equal(f"{name}: pings of {size} bytes pass both ways",
                  (site.alice.ping(BOB[4], 3, size=size), site.bob.ping(ALICE[4], 3, size=size)), (3, 3))


def put_together(site, tap):
    """Many small packets at once share ESP packets."""
    ear = capture(site.moon, "eth0", "esp.pcapng")
    got = site.alice.ping(BOB[4], 100, interval=0.001)
    esp = [p for p in packets(ear()) if p.version == 4 and p.proto == 50 and p.src == "192.0.2.1"]
    tap.equal("100 pings that come at once pass", got, 100)
    tap.check("they share ESP packets", 0 < len(esp) <= 60, len(esp))


def rekeyed(site, tap):
    for host, what in ((site.moon, "net-net"), (site.sun, "net-net"), (site.sun, "sites"), (site.moon, "net-net")):
        before = site.spis(site.moon)
        done = host.pavise("rekey", what)
        tap.check(f"{host.name} rekeys {what}", done.returncode == 0, done.stdout + done.stderr)
        if what == "net-net":
            wait_until(lambda: site.spis(site.moon) - before, 10, 0.1)
        tap.equal("pings pass after that", site.alice.ping(BOB[4], 5, size=3000), 5)
    tap.equal("it is the same mode", set(listed(site.moon) + listed(site.sun)), {"IPTFS"})


def test(lab, tap):
    site = Sites(lab)
    for host in (site.moon, site.sun):
        site.xfrmd[host] = host.xfrmd()
    start(site)
    tap.equal("swanctl says so on both sides", listed(site.moon) + listed(site.sun), ["IPTFS", "IPTFS"])
    said = site.sun.pavise("status").stdout
    tap.check("pavise status does, too", "IPTFS" in said, said)
    passes(site, "iptfs", tap)
    put_together(site, tap)
    rekeyed(site, tap)
    stop(site)
    start(site, more=("", "accept_fragments = no"), encap=True)
    whole = {host.name: [sa["iptfs"]["dont_frag"] for sa in sas(host) if "dont_frag" in sa.get("iptfs", {})]
             for host in (site.moon, site.sun)}
    tap.equal("accept_fragments = no: the peer cuts nothing", whole, {"moon": [True], "sun": [False]})
    passes(site, "in UDP, whole one way", tap)
    stop(site)
    start(site, mode=("iptfs", "tunnel"))
    tap.equal("a peer without it: tunnel mode", listed(site.moon) + listed(site.sun), ["TUNNEL", "TUNNEL"])
    tap.check("which is said", "the peer does not use IP-TFS" in site.iked[site.moon].output(), site.iked[site.moon].output()[-2000:])
    passes(site, "tunnel", tap)
    stop(site)


if __name__ == "__main__":
    main(test, "IP-TFS by IKE")
