#!/usr/bin/python3
"""Two clients behind one NAT, transport mode, equal selectors: replies take the SA that the flow came in by (connmark).

    alice --.
            nat (masquerades) --- sun      clients have the same address for sun, and the same selectors
    venus --'
"""
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Failed, main, wait_until

CLIENTS = {"alice": "10.1.0.10", "venus": "10.2.0.10"}
NAT, SUN = "192.0.2.254", "192.0.2.1"
PORT, BYTES = 7000, 300000
CONFIG = """
connections {{
    nat-t {{
        {conn}
        local {{
            auth = psk
            id = {me}
        }}
        remote {{
            auth = psk
        }}
        children {{
            nat-t {{
                mode = transport
                {child}
            }}
        }}
    }}
}}
secrets {{
    ike {{
        secret = "the carp in the castle moat"
    }}
}}
"""
# Behind sun: what comes of it, but for IKE and ESP in UDP.
COUNT = """table inet seen {
    counter clear { }
    chain pre {
        type filter hook prerouting priority -300
        iifname "eth0" udp sport { 500, 4500 } accept
        ip saddr 192.0.2.1 counter name clear
    }
}
table ip nat {
    chain post {
        type nat hook postrouting priority 100
        oifname "eth0" masquerade
    }
}"""
# Says who asks, and speaks and listens as much; then a line now and then, as long as the peer is there.
SERVER = f"""
import socket, threading, time
s = socket.create_server(("", {PORT}))
print("up", flush=True)
def serve(c):
    try:
        got = 0
        while got < {BYTES}:
            got += len(c.recv(65536)) or {BYTES}
        c.sendall(b"x" * {BYTES})
        while True:
            time.sleep(0.1)
            c.sendall(b"more")
    except OSError:
        pass
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
"""
CLIENT = f"""
import socket, sys, time
s = socket.create_connection(("{SUN}", {PORT}), 20)
s.settimeout(20)
s.sendall(b"y" * {BYTES})
got = 0
while got < {BYTES}:
    got += len(s.recv(65536)) or {BYTES}
print("both ways", flush=True)
s.settimeout(60)
while s.recv(65536):
    print("more", flush=True)
"""


def town(lab):
    nat, sun = lab.host("nat"), lab.host("sun")
    lab.wire(nat, "eth0", sun, "eth0")
    lab.address((nat, "eth0", NAT + "/24"), (sun, "eth0", SUN + "/24"))
    hosts = {}
    for number, (name, address) in enumerate(CLIENTS.items(), 1):
        hosts[name] = lab.host(name)
        lab.wire(hosts[name], "eth0", nat, f"eth{number}")
        gateway = address.rsplit(".", 1)[0] + ".1"
        lab.address((hosts[name], "eth0", address + "/24"), (nat, f"eth{number}", gateway + "/24"))
        hosts[name].ip(f"route add default via {gateway}")
    nat.sysctl(net__ipv4__ip_forward=1)
    nat.nft(COUNT)
    return nat, sun, hosts


def start(host, *options, conn="", child=""):
    xfrmd = host.xfrmd()
    iked = host.iked(CONFIG.format(me=host.name, conn=conn, child=child), *options)
    return xfrmd, iked


def up(host):
    done = host.pavise("up", "nat-t")
    if done.returncode:
        raise Failed(f"{host.name}: {done.stdout}{done.stderr}")


def clear(nat):
    listed = json.loads(nat("nft -j list counters table inet seen"))["nftables"]
    return next(c["counter"]["packets"] for c in listed if "counter" in c)


def sent(sun):
    """Packets of the SAs to the clients, by their UDP ports."""
    said = sun.ip_xfrm("-s xfrm state").stdout
    found = re.findall(rf"src {SUN} dst {NAT}.*?dport (\d+).*?current:\s+\d+\(bytes\), (\d+)\(packets\)", said, re.S)
    return {int(port): int(packets) for port, packets in found}


def connected(hosts):
    """A connection of each client, at the same time, that has carried all."""
    running = [host.start(["/usr/bin/python3", "-c", CLIENT], "client") for host in hosts.values()]
    for process in running:
        process.wait_for("both ways", 40)
    return running


def both_ways(processes):
    return [p.output().startswith("both ways") for p in processes]


def told(processes):
    return [p.output().count("more") for p in processes]


def carries(tap, name, nat, sun, hosts):
    before = sent(sun)
    running = connected(hosts)
    tap.equal(f"{name}: TCP of both clients, both ways", both_ways(running), [True, True])
    after = sent(sun)
    tap.check(f"{name}: each by its own SA", len(after) == 2 and all(after[p] - before.get(p, 0) >= 5 for p in after), (before, after))
    tap.equal(f"{name}: nothing in clear", clear(nat), 0)
    return running


def unknown(tap, nat, sun):
    """What belongs to no flow that came in: nobody can say whose it is."""
    sun.ping(NAT, 2, wait=1)
    tap.check("what belongs to no flow does not leave, and is counted", sun.xfrm_stat()["no-flow"] >= 2 and clear(nat) == 0,
              (sun.xfrm_stat()["no-flow"], clear(nat)))
    tap.equal("nor is clear text let in that claims to be a client's", nat.ping(SUN, 2, wait=1), 0)


def vanished(tap, nat, sun, running):
    """Somebody flushes nftables: the guard has gone, and what remembers flows, until they are put in again."""
    before = told(running)
    alive = wait_until(lambda: all(now > then for now, then in zip(told(running), before)), 30)
    sun("nft flush ruleset")
    back = wait_until(lambda: "pavise_mark" in sun("nft list tables"), 30)
    before = told(running)
    on = wait_until(lambda: all(now >= then + 10 for now, then in zip(told(running), before)), 30)
    tap.check("the rules vanish, and are put in again: flows go on", alive and back and on, (before, told(running), sun("nft list ruleset")))
    tap.equal("nothing of them has left in clear", clear(nat), 0)
    for process in running:
        process.stop()


def test(lab, tap):
    nat, sun, hosts = town(lab)
    conf = sun.file("strongswan.conf", "charon {\n load = random nonce openssl vici connmark\n}\n")
    server = sun.start(["/usr/bin/python3", "-c", SERVER], "server")
    server.wait_for("up", 30)
    before = sun("ip rule show")
    marks = "mark_in = %unique\nmark_out = %unique"
    executor, iked = start(sun, "--strongswan-conf", conf, conn=f"local_addrs = {SUN}", child=marks)
    for host in hosts.values():
        start(host, "--strongswan-conf", "no", conn=f"remote_addrs = {SUN}")
        up(host)
    said = sun.ip_xfrm("xfrm policy").stdout
    tap.check("two pairs of policies with equal selectors and a mark each", said.count(f"src {SUN}/32 dst {NAT}/32") == 2
              and "mark 0x1/" in said and "mark 0x2/" in said, said)
    for process in carries(tap, "at first", nat, sun, hosts):
        process.stop()
    for host in hosts.values():
        host.pavise("rekey", "nat-t")
    running = carries(tap, "rekeyed", nat, sun, hosts)
    unknown(tap, nat, sun)
    vanished(tap, nat, sun, running)
    for host in hosts.values():
        host.pavise("down", "nat-t")
    tap.check("down: devices and rules are gone", wait_until(lambda: "pavise0-" not in sun("ip -o link") and
                                                             "pavise_mark" not in sun("nft list tables"), 30), sun("nft list ruleset"))
    tap.equal("and without them clear text is let through", nat.ping(SUN, 2), 2)
    iked.stop()
    executor.stop()
    tap.equal("stopped: rules are as before", sun("ip rule show"), before)


if __name__ == "__main__":
    main(test, "clients behind one NAT")
