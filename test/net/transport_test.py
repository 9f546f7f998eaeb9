#!/usr/bin/python3
"""Two plain hosts, no gateway: transport mode, BEET, AH and bundles by stock `ip xfrm`. ping, TCP and UDP pass,
nothing travels in clear, tshark decrypts the ESP, scapy verifies the ICVs of AH."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire
from lab import main
from traffic import capture, tcp
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import AH, ESP, SecurityAssociation
from scapy.utils import PcapNgReader

HOST = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
INNER = {4: ("10.9.0.1", "10.9.0.2"), 6: ("fd09::1", "fd09::2")}  # of BEET and of tunnels
GCM_KEY, MAC_KEY = "0123456789abcdef" * 2 + "cafebabe", "5a" * 32
MTU = 1380  # room for AH around an ESP tunnel: what AH covers is not fragmented
ALGORITHMS = {
    "esp": f"aead rfc4106(gcm(aes)) 0x{GCM_KEY} 128",
    "ah": f"auth-trunc hmac(sha256) 0x{MAC_KEY} 128",
}

# name, outer family, inner addresses (0: the hosts' own), SAs from the innermost on, UDP
CASES = [
    *((f"ESP transport, IPv{f}{', in UDP' if udp else ''}", f, 0, (("esp", "transport"),), udp)
      for f in (4, 6) for udp in (False, True)),
    *((f"AH transport, IPv{f}", f, 0, (("ah", "transport"),), False) for f in (4, 6)),
    *((f"AH around ESP, IPv{f}", f, 0, (("esp", "transport"), ("ah", "transport")), False) for f in (4, 6)),
    *((f"ESP BEET, IPv{i} over IPv{o}{', in UDP' if udp else ''}", o, i, (("esp", "beet"),), udp)
      for o in (4, 6) for i in (4, 6) for udp in (False, True)),
    *((f"AH tunnel, IPv{i} over IPv{o}", o, i, (("ah", "tunnel"),), False) for o in (4, 6) for i in (4, 6)),
    *((f"AH around an ESP tunnel, IPv{f}", f, f, (("esp", "tunnel"), ("ah", "transport")), False) for f in (4, 6)),
]


class End:
    def __init__(self, host, side):
        self.host, self.side = host, side

    def setup(self, case):
        self.host.ip_xfrms(commands(case, self.side))

    def flush(self):
        self.host.ip_xfrms(("state flush", "policy flush"))


def commands(case, side):
    """What follows `ip xfrm` on one of the two hosts."""
    _name, outer, inner, chain, udp = case
    ends = INNER[inner] if inner else HOST[outer]
    for number, (proto, mode) in enumerate(chain):
        for way in (0, 1):
            src, dst = HOST[outer][way], HOST[outer][1 - way]
            sel = f"sel src {ends[way]} dst {ends[1 - way]}" if mode == "beet" else ""
            flag = "af-unspec" if mode == "tunnel" else "align4" if proto == "ah" and outer == 4 else ""
            encap = "encap espinudp 4500 4500 0.0.0.0" if udp else ""
            yield (f"state add src {src} dst {dst} proto {proto} spi {spi_of(number, way)} reqid {number + 1}"
                   f" mode {mode} {ALGORITHMS[proto]} replay-window 32 {'flag ' + flag if flag else ''} {encap} {sel}")
    for direction, way in (("out", side), ("in", 1 - side)):
        tmpl = " ".join(f"tmpl src {HOST[outer][way]} dst {HOST[outer][1 - way]} proto {proto} reqid {n + 1} mode {mode}"
                        for n, (proto, mode) in enumerate(chain))
        yield f"policy add src {ends[way]} dst {ends[1 - way]} dir {direction} {tmpl}"


def spi_of(number, way):
    return f"{0x1000 * (number + 1) + way:#x}"


UDP_ECHO = "import socket; s = socket.socket({f}, socket.SOCK_DGRAM); s.bind(('', 7777)); print('up', flush=True);" \
           " d, a = s.recvfrom(9000); s.sendto(d, a)"
UDP_ASK = "import socket; s = socket.socket({f}, socket.SOCK_DGRAM); s.settimeout(3); s.sendto(b'x' * 1200, ('{to}', 7777));" \
          " print(len(s.recv(9000)))"


def udp_echo(ends, target):
    family = "socket.AF_INET6" if ":" in target else "socket.AF_INET"
    server = ends[1].host.start(["/usr/bin/python3", "-c", UDP_ECHO.format(f=family)], "echo")
    server.wait_for("up", 5)
    done = ends[0].host.try_run(["/usr/bin/python3", "-c", UDP_ASK.format(f=family, to=target)])
    server.stop()
    return done.stdout.strip()


# ---- what was on the wire ----

def associations(case):
    """The SAs as scapy's, by protocol and SPI."""
    out = {}
    for number, (proto, _mode) in enumerate(case[3]):
        for way in (0, 1):
            spi = int(spi_of(number, way), 16)
            if proto == "ah":
                out["ah", spi] = SecurityAssociation(AH, spi=spi, auth_algo="SHA2-256-128", auth_key=bytes.fromhex(MAC_KEY))
            else:
                out["esp", spi] = SecurityAssociation(ESP, spi=spi, crypt_algo="AES-GCM",
                                                      crypt_key=bytes.fromhex(GCM_KEY))
    return out


def packets(pcap):
    with PcapNgReader(pcap) as reader:
        for frame in reader:
            packet = frame.getlayer(IP) or frame.getlayer(IPv6)
            icmp6_of_the_link = packet is not None and packet.version == 6 and packet.nh == 58 and packet.hlim == 255
            if packet is not None and not icmp6_of_the_link and not (packet.version == 6 and packet.dst.startswith("ff")):
                yield packet


def good_ah(packet, sas):
    """Does scapy find the ICV right?"""
    sa = sas.get(("ah", packet[AH].spi))
    try:
        sa.decrypt(packet.copy())
        return True
    except Exception as wrong:  # scapy has several
        return f"{type(wrong).__name__}: {wrong}"


def on_the_wire(case, pcap, tap):
    name, _outer, _inner, chain, udp = case
    sas, clear, bad, count = associations(case), [], [], 0
    for packet in packets(pcap):
        proto = packet.proto if packet.version == 4 else packet.nh
        want = 17 if udp else {"esp": 50, "ah": 51}[chain[-1][0]]
        if proto != want:
            clear.append(packet.summary())
            continue
        count += 1
        if proto == 51 and good_ah(packet, sas) is not True:
            bad.append(f"{packet.summary()}: {good_ah(packet, sas)}")
    tap.check(f"{name}: {count} packets on the wire, none in clear", count >= 12 and not clear, "\n".join(clear[:5]))
    if chain[-1][0] == "ah":
        tap.equal(f"{name}: scapy finds the ICVs right", bad[:3], [])


def decrypted(case, host, pcap, tap):
    name, outer, _inner, chain, _udp = case
    if chain[0][0] != "esp" or len(chain) > 1 or chain[0][1] == "beet":  # Wireshark does not know BEET
        return
    options = ["-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE"]
    for way in (0, 1):
        options += ["-o", f'uat:esp_sa:"IPv{outer}","{HOST[outer][way]}","{HOST[outer][1 - way]}","{spi_of(0, way)}",'
                          f'"AES-GCM with 16 octet ICV [RFC4106]","0x{GCM_KEY}","NULL",""']
    shown = host.try_run(["tshark", "-n", "-r", pcap, *options, "-Y", "icmp.type == 8 or icmpv6.type == 128"]).stdout
    tap.equal(f"{name}: tshark decrypts the pings", shown.count("Echo (ping) request"), 5)


# ---- the test ----

def carries(ends, case, tap):
    name, outer, inner, _chain, _udp = case
    target = (INNER[inner] if inner else HOST[outer])[1]
    back = (INNER[inner] if inner else HOST[outer])[0]
    for end in ends:
        end.setup(case)
    ear = capture(ends[0].host, "eth0", "wire.pcapng")
    tap.equal(f"{name}: ping", ends[0].host.ping(target, 5, 0.02), 5)
    pcap = ear()
    decrypted(case, ends[0].host, pcap, tap)
    ear = capture(ends[0].host, "eth0", "wire.pcapng")
    tap.equal(f"{name}: ping the other way, as large as the device takes it", ends[1].host.ping(back, 5, 0.02, size=1300), 5)
    tap.equal(f"{name}: a UDP question of 1200 bytes is answered", udp_echo(ends, target), "1200")
    on_the_wire(case, ear(), tap)
    got = tcp(ends[0].host, ends[1].host, target)
    tap.check(f"{name}: TCP at more than 20 Mbit/s", got > 20e6, got)
    dropped = {k: v for end in ends for k, v in end.host.xfrm_stat().items() if v}
    tap.equal(f"{name}: nothing was dropped", dropped, {})
    for end in ends:
        end.flush()


def refuses(ends, tap):
    case = CASES[0]
    moon, sun = ends[0].host, ends[1].host
    for end in ends:
        end.setup(case)
    time.sleep(0.3)
    tap.equal("fragments are put together and protected whole", moon.ping(HOST[4][1], 2, size=20000), 2)
    before = moon.try_run("nstat -asz IcmpInEchos").stdout
    wire.send(sun, "eth0", wire.mac_of(moon, "eth0"), wire.ipv4_icmp_echo(HOST[4][1], HOST[4][0]))
    time.sleep(0.2)
    tap.equal("a ping in clear, in the peer's name, does not reach the host",
              moon.try_run("nstat -asz IcmpInEchos").stdout, before)
    ends[1].flush()
    tap.equal("without its SAs the peer gets nothing out of it", moon.ping(HOST[4][1], 2, wait=1), 0)
    ends[0].flush()
    tap.equal("without policies the hosts talk in clear again", moon.ping(HOST[4][1], 2), 2)


CONFIG = """
connections {{
    hosts {{
        local_addrs = {me}
        remote_addrs = {peer}
        encap = {encap}
        local {{
            auth = psk
        }}
        remote {{
            auth = psk
        }}
        children {{
            hosts {{
                mode = transport
                start_action = trap
            }}
        }}
    }}
}}
secrets {{
    ike {{
        secret = "what two hosts need not whisper"
    }}
}}
"""


def negotiated(ends, family, encap, tap):
    """IKE between the same addresses that the policy protects; the first packet asks for it."""
    name = f"transport mode by IKE over IPv{family}{', in UDP' if encap else ''}"
    daemons = [end.host.iked(CONFIG.format(me=HOST[family][end.side], peer=HOST[family][1 - end.side],
                                           encap="yes" if encap else "no")) for end in ends]
    time.sleep(0.5)
    ear = capture(ends[0].host, "eth0", "ike.pcapng")
    tap.equal(f"{name}: a ping makes the SAs, none is lost", ends[0].host.ping(HOST[family][1], 5, 0.2), 5)
    done = ends[0].host.pavise("rekey", "hosts")
    tap.check(f"{name}: rekeying", done.returncode == 0, done.stdout + done.stderr)
    tap.equal(f"{name}: ping after it", ends[1].host.ping(HOST[family][0], 5, 0.05), 5)
    clear = [p.summary() for p in packets(ear()) if (p.proto if p.version == 4 else p.nh) not in (17, 50)]
    tap.equal(f"{name}: nothing in clear", clear[:3], [])
    got = tcp(ends[0].host, ends[1].host, HOST[family][1])
    tap.check(f"{name}: TCP at more than 20 Mbit/s", got > 20e6, got)
    for daemon in daemons:
        daemon.stop()
    for end in ends:
        end.flush()


def addresses(host, side):
    """Those of HOST on the cable, those of INNER behind it."""
    host(f"ip address add {HOST[4][side]}/24 dev eth0")
    host(f"ip address add {HOST[6][side]}/64 dev eth0 nodad")
    host(f"ip address add {INNER[4][side]}/32 dev lo")
    host(f"ip address add {INNER[6][side]}/128 dev lo nodad")


def plain_hosts(lab, *options):
    """Two hosts on one cable, each with a pavise-xfrmd."""
    hosts = [lab.host("moon"), lab.host("sun")]
    lab.wire(hosts[0], "eth0", hosts[1], "eth0")
    for side, host in enumerate(hosts):
        addresses(host, side)
        host.xfrmd(*options)
    return hosts


def test(lab, tap):
    hosts = plain_hosts(lab, "--mtu", MTU)
    ends = [End(host, side) for side, host in enumerate(hosts)]
    # The short run takes every third case; `./dev test full` takes them all.
    for case in CASES[::1 if os.environ.get("PAVISE_FULL") else 3]:
        carries(ends, case, tap)
    for family, encap in ((4, False), (4, True), (6, False)):
        negotiated(ends, family, encap, tap)
    refuses(ends, tap)


if __name__ == "__main__":
    main(test, "plain hosts: transport mode, BEET, AH, bundles")
