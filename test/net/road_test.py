#!/usr/bin/python3
"""Road warriors: clients behind NATs get addresses, name servers and routes from a gateway, keep them
over restarts and give them back; in tunnel mode and, as far as that goes, in transport mode.

                       moon (gateway)             cafe            home1: carol 192.168.7.10
    alice 10.1.0.10 -- 10.1.0.1   192.0.2.1 ---- masquerade ----- home2: dave  192.168.7.10 (the same!)
    fd00:1::10  DNS    fd00:1::1                                  erin  192.168.8.3
"""
import json
import os
import re
import shutil
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from lab import PAVISE, main, wait_until

GATEWAY = """\
connections {{
    rw {{
        local_addrs = 192.0.2.1
        remote_addrs = %any
        pools = rw, rw6
        local {{
            auth = psk
            id = moon.example.org
        }}
        remote {{
            auth = psk
        }}
        children {{
            net {{
                local_ts = 10.1.0.0/16, fd00:1::/64
            }}
        }}
    }}
    host {{
        local_addrs = 192.0.2.1
        remote_addrs = %any
        local {{
            auth = psk
            id = host.example.org
        }}
        remote {{
            auth = psk
        }}
        children {{
            host {{
                mode = transport
            }}
        }}
    }}
}}
pools {{
    rw {{
        addrs = {v4}
        dns = 10.1.0.53
        subnet = 10.1.0.0/16
        25 = corp.example
    }}
    rw6 {{
        addrs = fd00:3::/64
    }}
}}
secrets {{
    ike-1 {{
        secret = "what the crossbowman whispered behind the shield"
    }}
}}
"""

CLIENT = """\
connections {{
    home {{
        remote_addrs = 192.0.2.1
        vips = 0.0.0.0, ::
        {extra}
        local {{
            auth = psk
            id = {me}@example.org
        }}
        remote {{
            auth = psk
            id = moon.example.org
        }}
        children {{
            net {{
                remote_ts = 10.1.0.0/16, fd00:1::/64
            }}
        }}
    }}
    host {{
        remote_addrs = 192.0.2.1
        local {{
            auth = psk
            id = {me}@example.org
        }}
        remote {{
            auth = psk
            id = host.example.org
        }}
        children {{
            host {{
                mode = transport
                local_ts = dynamic[tcp/{port}]
                remote_ts = dynamic[tcp]
            }}
        }}
    }}
}}
secrets {{
    ike-1 {{
        secret = "what the crossbowman whispered behind the shield"
    }}
}}
"""

RESOLV = "# written by hand\nnameserver 192.0.2.254\noptions timeout:1 attempts:1\n"
BLOCK = "# pavise-iked: from here"


class World:
    def __init__(self, lab):
        self.lab = lab
        names = ("alice", "moon", "cafe", "home1", "home2", "carol", "dave", "erin")
        for name in names:
            setattr(self, name, lab.host(name))
        self.clients = (self.carol, self.dave, self.erin)
        self.iked, self.xfrmd, self.etc = {}, {}, []
        self.wires()
        for client in self.clients:
            self.resolv(client)

    def wires(self):
        lab, cafe = self.lab, self.cafe
        lab.wire(self.alice, "eth0", self.moon, "eth1")
        lab.wire(self.moon, "eth0", cafe, "eth0")
        for number, guest in enumerate((self.home1, self.home2, self.erin), 1):
            lab.wire(guest, "eth0", cafe, f"lan{number}")
        lab.wire(self.carol, "eth0", self.home1, "eth1")
        lab.wire(self.dave, "eth0", self.home2, "eth1")
        cafe("ip link add lan type bridge")
        for number in (1, 2, 3):
            cafe(f"ip link set lan{number} master lan")
        cafe("ip link set lan up")
        for host, device, *addresses in (
                (self.alice, "eth0", "10.1.0.10/16", "10.1.0.53/16", "fd00:1::10/64"),
                (self.moon, "eth1", "10.1.0.1/16", "fd00:1::1/64"), (self.moon, "eth0", "192.0.2.1/24"),
                (cafe, "eth0", "192.0.2.254/24"), (cafe, "lan", "192.168.8.254/24"),
                (self.home1, "eth0", "192.168.8.1/24"), (self.home1, "eth1", "192.168.7.254/24"),
                (self.home2, "eth0", "192.168.8.2/24"), (self.home2, "eth1", "192.168.7.254/24"),
                (self.carol, "eth0", "192.168.7.10/24"), (self.dave, "eth0", "192.168.7.10/24"),
                (self.erin, "eth0", "192.168.8.3/24")):
            for address in addresses:
                host(["ip", "address", "add", address, "dev", device, *(["nodad"] if ":" in address else [])])
        for host, via in ((self.alice, "10.1.0.1"), (self.moon, "192.0.2.254"), (self.home1, "192.168.8.254"),
                          (self.home2, "192.168.8.254"), (self.carol, "192.168.7.254"),
                          (self.dave, "192.168.7.254"), (self.erin, "192.168.8.254")):
            host(f"ip route add default via {via}")
        self.alice("ip -6 route add default via fd00:1::1")
        for host in (self.moon, cafe, self.home1, self.home2):
            host.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        for host in (cafe, self.home1, self.home2):
            host.nft("""table ip nat {
                chain post {
                    type nat hook postrouting priority 100
                    oifname eth0 masquerade
                }
            }""")

    def resolv(self, client):
        """A resolv.conf of this host's own: ip netns exec puts it over /etc/resolv.conf."""
        folder = f"/etc/netns/{client.ns}"
        os.makedirs(folder)
        self.etc.append(folder)
        with open(f"{folder}/resolv.conf", "w", encoding="utf-8") as file:
            file.write(RESOLV)

    def resolv_conf(self, client):
        with open(f"/etc/netns/{client.ns}/resolv.conf", encoding="utf-8") as file:
            return file.read()

    def gateway(self, v4="10.3.0.0/24"):
        self.iked[self.moon] = self.moon.iked(GATEWAY.format(v4=v4))

    def client(self, host, extra=""):
        if os.path.exists(host.vici):
            os.unlink(host.vici)  # of one that was killed
        port = 7001 + self.clients.index(host)
        self.iked[host] = host.iked(CLIENT.format(me=host.name, port=port, extra=extra))

    def start(self):
        for host in (self.moon, *self.clients):
            self.xfrmd[host] = host.xfrmd()
        self.gateway()
        for host in self.clients:
            self.client(host)

    def close(self):
        for folder in self.etc:
            shutil.rmtree(folder, ignore_errors=True)


def virtual(host, family=4):
    """Addresses of the pools that this host has on any of its devices."""
    found = []
    for link in json.loads(host(f"ip -j -{family} address")):
        for address in link.get("addr_info", ()):
            if address["local"].startswith(("10.3.0.", "fd00:3:")):
                found.append((address["local"], link["ifname"]))
    return found


def home(world, tap, host):
    done = host.pavise("up", "net")
    return tap.check(f"{host.name}: the tunnel is up", done.returncode == 0, done.stdout + done.stderr)


def tunnels(world, tap):
    """All three at once, two of them with the same private address."""
    for host in world.clients:
        home(world, tap, host)
    v4 = [virtual(host) for host in world.clients]
    v6 = [virtual(host, 6) for host in world.clients]
    tap.check("each has an address of each family, and nobody else's, on the TUN device",
              all(len(a) == 1 and a[0][1] == "pavise0" for a in v4 + v6) and len({a[0][0] for a in v4 + v6}) == 6,
              f"{v4} {v6}")
    tap.equal("in the order in which they came", [a[0][0] for a in v4 if a], ["10.3.0.1", "10.3.0.2", "10.3.0.3"])
    for host in world.clients:
        tap.equal(f"{host.name}: ping into the network, IPv4 and IPv6",
                  (host.ping("10.1.0.10", 3, 0.05), host.ping("fd00:1::10", 3, 0.05)), (3, 3))
        route = host("ip route get 10.1.0.10")
        tap.check(f"{host.name}: speaks from its virtual address", f"src {virtual(host)[0][0]}" in route, route)
        tap.equal(f"{host.name}: can be reached from the network",
                  (world.alice.ping(virtual(host)[0][0], 3, 0.05), world.alice.ping(virtual(host, 6)[0][0], 3, 0.05)),
                  (3, 3))


def names(world, tap):
    """A real DNS server in the network, which knows corp.example."""
    if not shutil.which("dnsmasq"):
        tap.skip("name servers", "dnsmasq is missing (package dnsmasq-base)")
        return
    world.alice.start(["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--user=root",
                       "--listen-address=10.1.0.53", "--bind-interfaces", "--pid-file=",
                       "--address=/www.corp.example/10.1.0.10"], "dnsmasq")
    found = wait_until(lambda: "10.1.0.10" in world.carol.try_run("getent hosts www.corp.example").stdout, 10, 0.5)
    tap.check("a name that only the gateway's server knows is found", found, world.resolv_conf(world.carol))
    found = world.carol.try_run("getent hosts www").stdout
    tap.check("... also without its domain, which is in the search list", "10.1.0.10" in found, found)
    text = world.resolv_conf(world.carol)
    tap.check("resolv.conf: the gateway's server first, what was there is kept",
              text.startswith(BLOCK) and text.index("10.1.0.53") < text.index("192.0.2.254")
              and "options timeout:1" in text, text)


def listed(world, tap):
    said = world.moon.swanctl("--list-pools", "--leases").stdout
    tap.check("swanctl lists pools and leases", re.search(r"rw +10\.3\.0\.1 +3 / 0 / 254", said)
              and re.search(r"10\.3\.0\.2 +online +'dave@example\.org'", said), said)
    said = world.moon.pavise("pools").stdout
    tap.check("pavise lists them, too", "carol@example.org" in said and "10.3.0.1" in said, said)
    said = world.moon.pavise("lookip").stdout
    tap.check("lookip prints strongSwan's lines", re.search(r"^lookup: +10\.3\.0\.2 +\S+ +rw\[\d+\] dave@example\.org$", said, re.M)
              and "fd00:3::1" in said, said)
    said = [world.moon.pavise("lookip", "--lookup", ip).stdout for ip in ("10.3.0.1", "10.3.0.77", "FD00:3::0:1")]
    tap.equal("lookip of one address, of nobody's, however it is written",
              [(line.split(":")[0], line.count("\n"), "carol" in line) for line in said],
              [("lookup", 1, True), ("not found", 1, False), ("lookup", 1, True)])
    said = world.carol.swanctl("--list-sas").stdout + world.moon.swanctl("--list-sas").stdout
    tap.check("both sides show the virtual address with the IKE SA", said.count("[10.3.0.1 fd00:3::1]") == 2, said)
    said = world.carol.pavise("status").stdout
    tap.check("pavise status shows it", "10.3.0.1" in said, said)


def rekeyed(world, tap):
    for what in ("home", "rw"):
        host = world.carol if what == "home" else world.moon
        host.pavise("rekey", what)
    time.sleep(1)
    tap.equal("after fresh keys for everything the address is the same", virtual(world.carol)[0][0], "10.3.0.1")
    tap.equal("... and works", world.carol.ping("10.1.0.10", 3, 0.05), 3)


def given_back(world, tap):
    ear = world.moon.start([PAVISE, "lookip", "--vici-socket", world.moon.vici, "--dump", "--listen-up", "--listen-down"], "lookip")
    ear.wait_for("10.3.0.2", 5)
    done = world.carol.pavise("down", "home")
    told = wait_until(lambda: re.search(r"^down: +10\.3\.0\.1 .*carol", ear.output(), re.M), 5)
    tap.check("lookip tells whose address is free", told, ear.output())
    ear.stop()
    tap.check("carol closes", done.returncode == 0, done.stdout + done.stderr)
    tap.equal("her addresses are gone", virtual(world.carol) + virtual(world.carol, 6), [])
    tap.equal("her resolv.conf is as it was", world.resolv_conf(world.carol), RESOLV)
    said = world.moon.swanctl("--list-pools", "--leases").stdout
    tap.check("the lease stays hers, offline", re.search(r"10\.3\.0\.1 +offline +'carol@example\.org'", said), said)
    tap.equal("nobody else notices", world.dave.ping("10.1.0.10", 3, 0.05), 3)


def gateway_restarts(world, tap):
    """Leases are in a file: after a restart each client gets its own again, in whatever order they come."""
    world.iked[world.moon].stop()
    leases = os.path.join(world.moon.dir, "leases")
    tap.check("the gateway ends and leaves its leases", os.path.exists(leases) and os.stat(leases).st_mode & 0o77 == 0)
    gone = wait_until(lambda: not any(virtual(host) for host in world.clients), 5)
    tap.check("its end takes the clients' addresses away", gone)
    world.gateway()
    for host in reversed(world.clients):
        home(world, tap, host)
    tap.equal("everybody has the address of before", [virtual(host)[0][0] for host in world.clients],
              ["10.3.0.1", "10.3.0.2", "10.3.0.3"])


def bad_leases(world, tap):
    world.iked[world.moon].stop()
    world.moon.file("leases", "pavise leases 1\n10.3.0.1 2 63 rw\nend 7\n")
    world.gateway()
    said = world.iked[world.moon].output()
    tap.check("a file of leases that makes no sense is refused with its place, and kept aside",
              "leases is refused: line 3" in said and os.path.exists(os.path.join(world.moon.dir, "leases.bad")), said)


def client_crashes(world, tap):
    home(world, tap, world.carol)
    address = virtual(world.carol)
    world.iked[world.carol].stop(signal.SIGKILL)
    tap.check("a crash leaves address and name server", virtual(world.carol) == address
              and BLOCK in world.resolv_conf(world.carol))
    world.client(world.carol)
    done = home(world, tap, world.carol)
    tap.check("a new daemon takes them over", done and virtual(world.carol) == address, f"{virtual(world.carol)}")
    world.iked[world.carol].stop(signal.SIGKILL)
    world.client(world.carol)
    cleaned = wait_until(lambda: not virtual(world.carol) and not virtual(world.carol, 6), 20, 0.2)
    tap.check("... or removes them when nobody gives them again", cleaned, f"{virtual(world.carol)}")
    tap.equal("... and resolv.conf is as it was", world.resolv_conf(world.carol), RESOLV)


def executor_restarts(world, tap):
    """The TUN device goes and comes, and with it the address."""
    home(world, tap, world.carol)
    world.xfrmd[world.carol].stop(signal.SIGKILL)
    gone = wait_until(lambda: not virtual(world.carol), 3)
    world.xfrmd[world.carol] = world.carol.xfrmd()
    back = wait_until(lambda: virtual(world.carol), 10)
    tap.check("an executor that starts anew gets the address again", gone and back, f"{gone} {back}")
    alive = wait_until(lambda: world.carol.ping("10.1.0.10", 1, 0.1, wait=1), 15)
    tap.check("... and packets flow", alive)


def too_small(world, tap):
    for host in world.clients:
        host.pavise("down", "home")
    world.iked[world.moon].stop()
    world.gateway(v4="10.3.0.1-10.3.0.2")
    moon = world.iked[world.moon]
    for host in (world.carol, world.dave):
        home(world, tap, host)
    done = world.erin.pavise("up", "net")
    tap.check("a third client of a pool of two has IPv6 only, and the gateway says why", done.returncode == 0
              and not virtual(world.erin) and virtual(world.erin, 6)
              and "pool rw is too small: all addresses from 10.3.0.1 to 10.3.0.2 are in use" in moon.output(),
              done.stdout + done.stderr + moon.output()[-1500:])
    for host in world.clients:
        host.pavise("down", "home")


BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""

RESOLVED = """\
import sys, dbus, dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib
DBusGMainLoop(set_as_default=True)
bus = dbus.bus.BusConnection('unix:path=' + sys.argv[1])
MANAGER = 'org.freedesktop.resolve1.Manager'
class Manager(dbus.service.Object):
    @dbus.service.method(MANAGER, in_signature='ia(iay)')
    def SetLinkDNS(self, link, servers):
        print('dns', link, [(int(f), bytes(a).hex()) for f, a in servers], flush=True)
    @dbus.service.method(MANAGER, in_signature='ia(sb)')
    def SetLinkDomains(self, link, domains):
        print('domains', link, [(str(d), bool(r)) for d, r in domains], flush=True)
    @dbus.service.method(MANAGER, in_signature='ib')
    def SetLinkDefaultRoute(self, link, on):
        print('default', link, bool(on), flush=True)
    @dbus.service.method(MANAGER, in_signature='i')
    def RevertLink(self, link):
        print('revert', link, flush=True)
name = dbus.service.BusName('org.freedesktop.resolve1', bus)
manager = Manager(bus, '/org/freedesktop/resolve1')
print('ready', flush=True)
GLib.MainLoop().run()
"""


def split_dns(world, tap):
    """Where resolv.conf leads to systemd-resolved, that is told: a real bus, and an object that writes down what it hears."""
    erin, path = world.erin, os.path.join(world.erin.dir, "bus")
    if not shutil.which("dbus-daemon") or erin.try_run(["/usr/bin/python3", "-c", "import dbus, gi"]).returncode:
        tap.skip("systemd-resolved", "dbus-daemon, python3-dbus or python3-gi is missing")
        return
    world.iked[erin].stop()
    with open(f"/etc/netns/{erin.ns}/resolv.conf", "w", encoding="utf-8") as file:
        file.write("nameserver 127.0.0.53\n")
    bus = erin.start(["dbus-daemon", "--nofork", "--config-file", erin.file("bus.conf", BUS.format(path=path))], "bus")
    wait_until(lambda: os.path.exists(path), 5)
    resolved = erin.start(["/usr/bin/python3", "-c", RESOLVED, path], "resolved")
    tap.check("the bus and a name service on it are up", resolved.wait_for("ready", 10), resolved.output() + bus.output())
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={path}"
    try:
        world.client(erin)
    finally:
        del os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
    home(world, tap, erin)
    link = json.loads(erin("ip -j link show dev pavise0"))[0]["ifindex"]
    told = f"dns {link} [(2, '0a010035')]\ndomains {link} [('corp.example', False)]\ndefault {link} False\n"
    tap.check("systemd-resolved is told servers and their domains, for our device", resolved.wait_for(told, 5),
              resolved.output())
    tap.equal("... and resolv.conf stays its own", world.resolv_conf(erin), "nameserver 127.0.0.53\n")
    erin.pavise("down", "home")
    tap.check("... and told to forget them", resolved.wait_for(f"revert {link}", 5), resolved.output())
    said = world.iked[erin].output()
    tap.check("... and agrees", "systemd-resolved" not in said, said)
    resolved.stop()
    bus.stop()
    home(world, tap, erin)
    said = world.iked[erin].output()
    tap.check("without a bus that is said, and the tunnel is up", "system bus cannot be reached" in said
              and erin.ping("10.1.0.10", 2, 0.05) == 2, said)


def talk(client, server, port, text):
    """A word over TCP from a port of its own: what comes back."""
    code = ("import socket,struct,sys\ns=socket.create_connection((sys.argv[1],9000),3,('',int(sys.argv[2])))\n"
            "s.sendall(sys.argv[3].encode()+b'\\n')\nprint(s.recv(100).decode())\n"
            # The port is free again at once.
            "s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))")
    done = client.try_run(["/usr/bin/python3", "-c", code, server, port, text], timeout=15)
    return (done.stdout or done.stderr).strip().split("\n")[-1]


def transport(world, tap):
    """Two hosts behind one NAT, with the same address there, in transport mode: told apart by their ports."""
    echo = ("import socketserver\nclass E(socketserver.StreamRequestHandler):\n"
            "    def handle(self): self.wfile.write(self.rfile.readline())\n"
            "socketserver.ThreadingTCPServer.allow_reuse_address = True\n"
            "socketserver.ThreadingTCPServer(('', 9000), E).serve_forever()")
    world.moon.start(["/usr/bin/python3", "-c", echo], "echo")
    for host in (world.carol, world.dave):
        done = host.pavise("up", "host")
        tap.check(f"{host.name}: transport mode is up", done.returncode == 0, done.stdout + done.stderr)
    wait_until(lambda: world.moon.try_run("ss -Hltn sport = 9000").stdout, 5)
    got = [talk(world.carol, "192.0.2.1", 7001, "carol"), talk(world.dave, "192.0.2.1", 7002, "dave")]
    tap.equal("each is answered, each in its own SA", got, ["carol", "dave"])
    counts = [int(n) for n in re.findall(r"in .*?, *(\d+) packets", world.moon.swanctl("--list-sas").stdout)]
    tap.check("both SAs of the gateway carry packets", len(counts) == 2 and min(counts) > 2, f"{counts}")
    # Erin is behind the same NAT and wants what carol has.
    world.iked[world.erin].stop()
    world.iked[world.erin] = world.erin.iked(CLIENT.format(me="erin", port=7001, extra=""))
    done = world.erin.pavise("up", "host")
    said = world.iked[world.moon].output()
    tap.check("a third one with the same ports is refused: nobody could tell them apart", done.returncode != 0
              and "TS_UNACCEPTABLE" in done.stdout + done.stderr and "behind the same NAT" in said,
              done.stdout + done.stderr + said[-1500:])
    tap.equal("... and disturbs nobody", talk(world.carol, "192.0.2.1", 7001, "carol again"), "carol again")


def test(lab, tap):
    world = World(lab)
    try:
        world.start()
        tunnels(world, tap)
        names(world, tap)
        listed(world, tap)
        rekeyed(world, tap)
        given_back(world, tap)
        gateway_restarts(world, tap)
        bad_leases(world, tap)
        client_crashes(world, tap)
        executor_restarts(world, tap)
        split_dns(world, tap)
        too_small(world, tap)
        transport(world, tap)
    finally:
        world.close()


if __name__ == "__main__":
    main(test, "road warriors behind NATs")
