#!/usr/bin/python3
"""Clients whose addresses come from a DHCP server in the network behind the gateway (strongSwan's plugins dhcp and farp): asked
for as a relay and by broadcast, by identity or not, told with its name servers, renewed, given back, and lost with the server.

    carol 192.0.2.10 -- 192.0.2.1 moon 10.1.0.1 --+-- 10.1.0.20 venus (dhcpd, and the switch)
                                                  +-- 10.1.0.10 alice
"""
import json
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import PAVISE, main, wait_until

CAROL_MAC = "7a:a7:51:cc:22:4a"  # strongSwan makes the same of her identity

DHCPD = f"""\
authoritative;
ddns-update-style none;
ping-check false;
default-lease-time 6;
min-lease-time 6;
max-lease-time 6;
subnet 10.1.0.0 netmask 255.255.0.0 {{
    option domain-name-servers 10.1.0.20, 10.1.0.21;
    option netbios-name-servers 10.1.0.10;
    range 10.1.0.50 10.1.0.60;
}}
host carol {{
    hardware ethernet {CAROL_MAC};
    fixed-address 10.1.0.30;
}}
"""

GATEWAY = """\
connections {
    rw {
        local_addrs = 192.0.2.1
        pools = dhcp
        local {
            auth = psk
            id = moon.strongswan.org
        }
        remote {
            auth = psk
        }
        children {
            net {
                local_ts = 10.1.0.0/16
            }
        }
    }
}
"""

CLIENT = """\
connections {{
    gateway {{
        remote_addrs = 192.0.2.1
        vips = 0.0.0.0
        local {{
            auth = psk
            id = carol@strongswan.org
        }}
        remote {{
            auth = psk
            id = moon.strongswan.org
        }}
        children {{
            home {{
                remote_ts = 10.1.0.0/16
            }}
        }}
    }}
}}
pavise {{
    resolv_conf = {resolv}
}}
"""

SECRET = """\
secrets {
    ike-1 {
        secret = "what the crossbowman whispered behind the shield"
    }
}
"""

BY_IDENTITY = "farp dhcp", "server = 10.1.255.255\n identity_lease = yes\n use_server_port = yes"
BROADCAST = "random", "interface = eth1"  # its sockets are opened since the connection names it


# Who hears the gateway's DISCOVER, and offers an address for it: by which device, as which server.
SPY = """
from scapy.all import BOOTP, sniff
def heard(p):
    if BOOTP in p and p[BOOTP].op == 1:
        print("asked", p[BOOTP].xid, bytes(p[BOOTP].chaddr[:6]).hex(), flush=True)
sniff(iface="br0", filter="udp and dst port 67", prn=heard, store=0, started_callback=lambda: print("listens", flush=True))
"""
FORGER = """
import sys
from scapy.all import BOOTP, DHCP, IP, UDP, Ether, sendp
xid, mac, device, us, offered = sys.argv[1:]
options = [("message-type", "offer"), ("server_id", us), ("lease_time", 3600), "end"]
sendp(Ether(dst="ff:ff:ff:ff:ff:ff") / IP(src=us, dst="10.1.0.1") / UDP(sport=67, dport=67) /
      BOOTP(op=2, xid=int(xid), chaddr=bytes.fromhex(mac), yiaddr=offered) / DHCP(options=options), iface=device, verbose=0)
"""


class World:
    def __init__(self, lab):
        self.lab = lab
        for name in ("carol", "moon", "venus", "alice"):
            setattr(self, name, lab.host(name))
        lab.wire(self.carol, "eth0", self.moon, "eth0")
        lab.wire(self.moon, "eth1", self.venus, "port1")
        lab.wire(self.alice, "eth0", self.venus, "port2")
        self.venus.ip("link add br0 type bridge", "link set port1 master br0", "link set port2 master br0", "link set br0 up")
        lab.address((self.carol, "eth0", "192.0.2.10/24"), (self.moon, "eth0", "192.0.2.1/24"),
                    (self.moon, "eth1", "10.1.0.1/16"), (self.venus, "br0", "10.1.0.20/16"), (self.alice, "eth0", "10.1.0.10/16"))
        self.moon.sysctl(net__ipv4__ip_forward=1)
        self.resolv = self.carol.file("resolv.conf", "# none\n", 0o644)
        self.server = self.gateway = None
        self.xfrmd = [host.xfrmd() for host in (self.moon, self.carol)]
        self.client = self.carol.iked(CLIENT.format(resolv=self.resolv) + SECRET, "--strongswan-conf", "no")

    def serve(self):
        leases = self.venus.file("leases", "", 0o644)
        conf = self.venus.file("dhcpd.conf", DHCPD, 0o644)
        self.server = self.venus.start(["dhcpd", "-4", "-f", "-d", "--no-pid", "-cf", conf, "-lf", leases, "br0"])
        self.server.wait_for("Sending on", 30)

    def gate(self, load, settings):
        if self.gateway:
            self.gateway.stop()
            os.path.exists(self.moon.vici) and os.unlink(self.moon.vici)
        conf = self.moon.file("strongswan.conf", f"charon {{\n load = {load}\n plugins {{\n dhcp {{\n {settings}\n}}\n}}\n}}\n")
        self.gateway = self.moon.iked(GATEWAY + SECRET, "--strongswan-conf", conf)

    def address(self):
        """Carol's in that network; None if she has none."""
        found = [entry["local"] for link in json.loads(self.carol("ip -j -4 address")) for entry in link.get("addr_info", ())]
        return next((ip for ip in found if ip.startswith("10.1.")), None)

    def up(self, tap, how):
        done = self.carol.pavise("up", "home")
        tap.check(f"{how}: the tunnel is up", done.returncode == 0, done.stdout + done.stderr + self.gateway.output())

    def said(self, pattern):
        return re.findall(pattern, self.server.output())


def forged(world, tap):
    """Somebody outside knows what the gateway asks, and answers."""
    world.gate(*BY_IDENTITY)
    spy = world.venus.start(["/usr/bin/python3", "-c", SPY], "spy")
    spy.wait_for("listens", 30)
    world.carol.start([PAVISE, "up", "home", "--vici-socket", world.carol.vici], "up")
    spy.wait_for("asked", 30)
    asked = re.search(r"asked (\d+) (\w+)", spy.output()).groups()
    for host, device, offered in ((world.carol, "eth0", "10.1.0.66"), (world.venus, "br0", "10.1.0.67")):
        host(["/usr/bin/python3", "-c", FORGER, *asked, device, "10.1.0.20", offered])
    told = wait_until(lambda: "DHCP OFFER 10.1.0.67" in world.gateway.output(), 30)
    tap.check("offers are heard by the device that leads to the server, and by no other",
              told and "10.1.0.66" not in world.gateway.output(), world.gateway.output())


def by_identity(world, tap):
    """A relay, and a client that the server knows."""
    world.gate(*BY_IDENTITY)
    world.up(tap, "as a relay")
    tap.equal("the address is what the server has for this identity", world.address(), "10.1.0.30")
    with open(world.resolv, encoding="utf-8") as file:
        servers = re.findall(r"nameserver (\S+)", file.read())
    tap.equal("the server's name servers have come along", servers, ["10.1.0.20", "10.1.0.21"])
    tap.equal("both sides reach each other, by ARP of the gateway",
              (world.alice.ping("10.1.0.30", 3), world.carol.ping("10.1.0.10", 3)), (3, 3))
    icmp = world.moon("nstat -asz IcmpOutDestUnreachs").split()
    tap.check("the server hears no ICMP: port 67 is the gateway's", icmp[icmp.index("IcmpOutDestUnreachs") + 1] == "0", icmp)
    world.carol.pavise("down", "gateway")
    # What is fixed is nobody's to release, and dhcpd says so.
    tap.check("the lease is given back with the IKE SA", wait_until(lambda: world.said(f"DHCPRELEASE of 10.1.0.30 from {CAROL_MAC}"), 30),
              world.server.output())
    tap.check("... and she has it no more", wait_until(lambda: world.address() is None, 30))


def by_broadcast(world, tap):
    """A client that nobody knows, whose lease is short."""
    world.gate(*BROADCAST)
    world.up(tap, "by broadcast")
    ip = world.address()
    tap.check("an address of the server's range", ip and ip.startswith("10.1.0.5"), ip)
    renewals = rf"DHCPREQUEST for {ip} from (\S+)"
    tap.check("the lease is renewed", wait_until(lambda: world.said(renewals), 30), world.server.output())
    tap.check("by a random hardware address, the same each time",
              len({mac for mac in world.said(rf"DHCP\w+ (?:on|for) {ip} .*?(?:from|to) (7a:a7:\S+)")} - {CAROL_MAC}) == 1,
              world.server.output())
    tap.equal("... and she still has it", world.address(), ip)
    world.server.stop()
    tap.check("a server that does not renew it ends the IKE SA", wait_until(lambda: world.address() is None, 30),
              world.gateway.output())


def test(lab, tap):
    if not shutil.which("dhcpd"):
        tap.skip("addresses from a DHCP server", "dhcpd is not there (package isc-dhcp-server)")
        return
    world = World(lab)
    world.serve()
    by_identity(world, tap)
    by_broadcast(world, tap)
    forged(world, tap)
    tap.equal("a clean end", world.gateway.stop(), 0)


if __name__ == "__main__":
    main(test, "addresses from a DHCP server")
