#!/usr/bin/python3
"""pavise explain: what it says about a packet is what happens to it, before the tunnel is up, while it is, and with
policies in its way."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import main
from sites import ALICE, BOB, Sites


def explain(host, *words):
    done = host.pavise("explain", *words, "--json")
    return json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr}


def said(host, *words):
    return " ".join(host.pavise("explain", *words).stdout.split())


def run(lab, tap):
    site = Sites(lab)
    for host in (site.moon, site.cafe):
        host("ip link set eth0 mtu 1300")
    for host in (site.moon, site.sun):
        site.xfrmd[host] = host.xfrmd()
        site.iked[host] = host.iked(site.config(host.name, inner=(4,), encap=True, child_extra="start_action = trap"))
    moon = site.moon
    before = explain(moon, ALICE[4], BOB[4])
    tap.equal("a trap: the packet would wait", before.get("verdict"), "waits")
    tap.equal("and the child that is negotiated has its name", (before.get("connection"), before.get("child")),
              ("sites", "net-net"))
    tap.check("in words, with the command that does it now", "'pavise up net-net' does so now" in said(moon, ALICE[4], BOB[4]))
    tap.equal("to ask has started nothing", site.spis(moon), set())
    tap.equal("elsewhere: in clear", explain(moon, ALICE[4], "203.0.113.9")["verdict"], "passes in clear")
    tap.check("and why no policy is meant", "is not in its network" in said(moon, ALICE[4], "203.0.113.9"))
    tap.equal("a packet does as was said", site.alice.ping(BOB[4], 5, 0.2) > 2, True)
    now = explain(moon, ALICE[4], BOB[4], "tcp", "443", "--length", "1200")
    tap.equal("the tunnel is up: it is protected", now["verdict"], "protected")
    tap.check("by an SA that is there", now["sas"][0]["spi"] in site.spis(moon))
    tap.equal("its outer header", (now["outer"]["src"], now["outer"]["dst"], now["outer"]["proto"], now["outer"]["dport"]),
              ("192.0.2.1", "198.51.100.1", "udp", 4500))
    tap.equal("the path is the link", now["path_mtu"], 1300)
    longest = now["longest"]
    fits = [site.alice.try_run(["ping", "-n", "-q", "-M", "do", "-c", 1, "-W", 2, "-s", longest - 28 + more, BOB[4]]).returncode
            for more in (0, 1)]
    tap.equal(f"{longest} bytes get through whole, one more does not", fits, [0, 1])
    refused = explain(moon, ALICE[4], BOB[4], "icmp", "--length", str(longest + 1))
    tap.equal("which is what was said", (refused["verdict"], refused["drop"]), ("dropped", "path-mtu"))
    wide = explain(site.sun, BOB[4], ALICE[4], "icmp", "--length", "1401")
    tap.equal("where the link is wide, the device decides", (wide["verdict"], wide["drop"], wide["longest"]),
              ("dropped", "device-mtu", 1400))
    back = explain(moon, "--inbound", BOB[4], ALICE[4])
    tap.equal("inbound: through its SA, and only so", (back["verdict"], back["drop"]), ("accepted through its SA", "template"))
    tap.check("in words", "in clear it would be dropped" in said(moon, "--inbound", BOB[4], ALICE[4]))
    moon.ip_xfrm("xfrm policy add src 10.1.0.10/32 dst 10.2.0.10/32 proto udp dport 53 dir out action block priority 1")
    dns = explain(moon, ALICE[4], BOB[4], "udp", "53")
    tap.equal("a policy in the way", (dns["verdict"], dns["drop"], dns["policy"]["priority"]), ("dropped", "policy-out", 1))
    http = explain(moon, ALICE[4], BOB[4], "tcp", "80")
    tap.equal("that does not concern others", (http["verdict"], [o["why"] for o in http["others"]]),
              ("protected", ["is for another protocol"]))
    wrong = moon.pavise("explain", "moon", BOB[4])
    tap.check("no address: a sentence", wrong.returncode == 2 and "'moon' is no IP address" in wrong.stderr)
    for process in site.xfrmd.values():
        process.stop()
    gone = moon.pavise("explain", ALICE[4], BOB[4])
    tap.check("without pavise-xfrmd: a sentence", gone.returncode == 1 and "start pavise-xfrmd" in gone.stderr)


if __name__ == "__main__":
    main(run, "pavise explain")
