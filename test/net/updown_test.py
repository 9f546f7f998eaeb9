#!/usr/bin/python3
"""updown scripts: they see strongSwan's variables, open and close a real firewall, and run when a child comes,
goes and when the daemon ends; a script that the configuration did not name is not run."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import ROOT, main, wait_until
from sites import Sites

# What an administrator writes: the firewall lets only in what came for this child.
SCRIPT = """#!/bin/sh
sleep 0.3
echo "says $PLUTO_VERB"
env | grep -e '^PLUTO_' -e '^PAVISE_' | sort > {dir}/$PLUTO_VERB
case $PLUTO_VERB in
up-client)   nft add element ip filter open "{{ $PLUTO_PEER_CLIENT . $PLUTO_MY_CLIENT }}" ;;
down-client) nft delete element ip filter open "{{ $PLUTO_PEER_CLIENT . $PLUTO_MY_CLIENT }}" ;;
esac
"""
FIREWALL = """table ip filter {
    set open { type ipv4_addr . ipv4_addr; flags interval; }
    chain forward { type filter hook forward priority 0; policy drop;
        ip saddr . ip daddr @open accept
        ip daddr . ip saddr @open accept
    }
}
"""
WANTED = {"VERSION": "1.1", "CONNECTION": "net-net", "INTERFACE": "eth0", "PROTO": "esp", "UNIQUEID": "1",
          "ME": "198.51.100.1", "MY_ID": "sun.example.org", "MY_CLIENT": "10.2.0.0/16", "MY_PORT": "0",
          "MY_PROTOCOL": "0", "PEER": "192.0.2.1", "PEER_ID": "moon.example.org", "PEER_CLIENT": "10.1.0.0/16",
          "PEER_PORT": "0", "PEER_PROTOCOL": "0", "VERB": "up-client", "HOST_ACCESS": "1"}
DEVICE = "PAVISE_DEVICE"  # ours alone


def variables(path):
    with open(path, encoding="utf-8") as f:
        return {k.removeprefix("PLUTO_"): v for k, v in (line.rstrip("\n").split("=", 1) for line in f)}


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return f.read().split()


def told(process, what):
    return wait_until(lambda: what in process.output(), 10)


# A gateway that takes IKE and ESP, IPv6 neighbours, and nothing else.
NEIGHBOURS = "".join(f"-A {chain} -p ipv6-icmp --icmpv6-type {kind} -j ACCEPT\n" for chain in ("INPUT", "OUTPUT") for kind in (135, 136))
CLOSED = """*filter
:INPUT DROP
:FORWARD DROP
:OUTPUT DROP
-A INPUT -p udp -m multiport --dports 500,4500 -j ACCEPT
-A INPUT -p esp -j ACCEPT
-A OUTPUT -p udp -m multiport --sports 500,4500 -j ACCEPT
-A OUTPUT -p esp -j ACCEPT
{}COMMIT
"""
OURS = os.path.join(ROOT, "daemon/updown.sh")
STOCK = "/usr/lib/ipsec/_updown"


def rules(host):
    return sorted(line for tables in ("iptables", "ip6tables") for line in host(f"{tables} -S").split("\n") if line.startswith("-A"))


def behind_iptables(lab, tap, script, passes):
    """A gateway whose chains drop: the script lets through what the child carries, and takes its rules away again."""
    sites = Sites(lab)
    name = os.path.basename(script)
    for tables, more in (("iptables", ""), ("ip6tables", NEIGHBOURS)):
        sites.sun(f"{tables}-restore", input=CLOSED.format(more))
    before = rules(sites.sun)
    for host in (sites.moon, sites.sun):
        host.xfrmd()
    sites.moon.iked(sites.config("moon"))
    iked = sites.sun.iked(sites.config("sun", child_extra=f"updown = {script} iptables\nhostaccess = yes"))
    tap.equal(f"{name}: nothing passes at first", (sites.alice.ping("10.2.0.10", 1, wait=1), sites.alice.ping("10.2.0.1", 1, wait=1)), (0, 0))
    sites.up()
    more = [rule for rule in rules(sites.sun) if rule not in before]
    chains = sorted(rule.split()[1] for rule in more)
    tap.equal(f"{name}: rules for both families in FORWARD, INPUT and OUTPUT", chains, 4 * ["FORWARD"] + 2 * ["INPUT"] + 2 * ["OUTPUT"])
    tap.check(f"{name}: they look at {'the device' if passes else 'policies'}",
              all(("pavise0" if passes else "-m policy") in rule for rule in more), more)
    got = [sites.alice.ping(to, 2, wait=1) for to in ("10.2.0.10", "fd00:2::10", "10.2.0.1")]
    want = [2, 2, 2] if passes else [0, 0, 0]
    tap.check(f"{name}: pings to the network behind and to the gateway {'pass' if passes else 'do not: the TUN device has no policies'}",
              got == want, f"{got} {iked.output()[-800:]} {rules(sites.sun)}")
    sites.moon.pavise("down", "sites")
    tap.check(f"{name}: its rules are gone again", wait_until(lambda: rules(sites.sun) == before, 10), rules(sites.sun))
    lab.close()


def ports(sites, tap, config, where):
    """Ranges as iptables takes them; of ICMP type and code."""
    for ours, theirs, want in (("[tcp/1000-2000]", "[tcp/22]", ("1000:2000", "22", "6")), ("[icmp/8]", "[icmp/8]", ("8", "0", "1"))):
        sites.sun.file("swanctl.conf", re.sub(r"(local|remote)_ts = .*", lambda m: f"{m[1]}_ts = " + (
            f"10.2.0.0/16{ours}" if m[1] == "local" else f"10.1.0.0/16{theirs}"), config))
        sites.sun.pavise("reload")
        sites.up()
        seen = variables(os.path.join(where, "up-client"))
        tap.equal(f"ports {ours}: as iptables takes them", (seen["MY_PORT"], seen["PEER_PORT"], seen["MY_PROTOCOL"]), want)
        sites.moon.pavise("down", "sites")


def test(lab, tap):
    scripts(lab, tap)
    lab.close()
    if not os.path.exists("/usr/sbin/iptables"):
        tap.skip("behind iptables", "no iptables on this machine")
        return
    behind_iptables(lab, tap, OURS, True)
    if not os.path.exists(STOCK):
        tap.skip("strongSwan's _updown", f"no {STOCK} on this machine (package strongswan-libcharon)")
        return
    behind_iptables(lab, tap, STOCK, False)


def scripts(lab, tap):
    sites = Sites(lab)
    script = sites.sun.file("updown.sh", SCRIPT.format(dir=lab.dir), 0o755)
    sites.sun.nft(FIREWALL)
    for host in (sites.moon, sites.sun):
        host.xfrmd()
    sites.moon.iked(sites.config("moon"))
    config = sites.config("sun", child_extra=f"updown = {script}\nhostaccess = yes")
    iked = sites.sun.iked(config)
    tap.check("the firewall is closed at first", not sites.alice.ping("10.2.0.10", 1))
    sites.up()
    tap.check("the firewall is open as soon as the tunnel is told to be up", sites.alice.ping("10.2.0.10", 1) == 1, iked.output())
    tap.check("the script has run when the child came up", told(iked, "updown: says up-client-v6"), iked.output())
    seen = variables(os.path.join(lab.dir, "up-client"))
    reqid = seen.pop("REQID", "")
    tap.check("PLUTO_REQID is a number", re.fullmatch(r"[1-9]\d*", reqid), reqid)
    tap.equal("PAVISE_DEVICE is the executor's", seen.pop(DEVICE, ""), "pavise0")
    tap.check("the other variables are strongSwan's", seen == WANTED, f"{seen}")
    six = variables(os.path.join(lab.dir, "up-client-v6"))
    tap.check("IPv6 selectors have their own call", six["MY_CLIENT"] == "fd00:2::/64" and six["PEER_CLIENT"] == "fd00:1::/64", f"{six}")
    tap.check("the firewall is open to the tunnel", sites.alice.ping("10.2.0.10", 3) == 3)
    sites.moon.pavise("down", "sites")
    tap.check("the script has run when the child went", told(iked, "updown: says down-client"), iked.output())
    tap.check("the firewall is closed again", "10.1.0.0/16" not in sites.sun("nft list set ip filter open"))

    ports(sites, tap, config, lab.dir)
    sites.sun.file("swanctl.conf", config.replace(script, script + " --more"))
    sites.sun.pavise("reload")
    before = iked.output().count("says up-client")
    sites.up()
    tap.check("a reloaded configuration's script runs", wait_until(lambda: iked.output().count("says up-client") == before + 2, 10),
              iked.output())
    runner = children(iked.popen.pid)
    before = iked.output().count("says down-client")
    iked.stop()
    tap.check("scripts still run when the daemon ends", iked.output().count("says down-client") == before + 2, iked.output())
    tap.check("their process ends with it", len(runner) == 1 and not os.path.exists(f"/proc/{runner[0]}"), f"{runner}")


if __name__ == "__main__":
    main(test, "updown scripts")
