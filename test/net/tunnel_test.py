#!/usr/bin/python3
"""A net-to-net tunnel in every combination of outer and inner family, encapsulation and algorithm:
ping, big packets and TCP pass, tshark decrypts ESP and IKE with the keys that we log."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import main, wait_until
from sites import ALICE, BOB, Sites
from traffic import capture, tcp

PATHS = [  # outer family, encapsulation
    (4, True), (4, False), (6, True), (6, False),
]
ESP = ["aes128gcm16", "aes192gcm16", "aes256gcm16", "aes128gcm8", "aes128gcm12", "chacha20poly1305", "aes128-sha256",
       "aes192-sha384", "aes256-sha512", "aes128-sha1", "null-sha256", "aes256gcm16-esn", "aes128-sha256-esn"]
IKE = ["aes128gcm16-prfsha256-x25519", "aes256gcm16-prfsha384-ecp384", "chacha20poly1305-prfsha512-ecp256",
       "aes128-sha256-ecp521", "aes256-sha512-modp2048", "aes192-sha384-modp3072", "aes256-sha384-modp4096"]

NO_CHACHA = "Wireshark 4.0 cannot decrypt ChaCha20-Poly1305 in ESP and IKE"


def uat(directory, table):
    """The lines of a key log as tshark options."""
    options = []
    path = os.path.join(directory, table)
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.strip() and not line.startswith("#"):
                    options += ["-o", f"uat:{table}:{line.strip()}"]
    return options


def tshark(host, pcap, keys, show):
    decrypt = ["-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE"]
    return host.try_run(["tshark", "-n", "-r", pcap, *decrypt, *uat(keys, "esp_sa"), *uat(keys, "ikev2_decryption_table"),
                         *show], timeout=60).stdout


def stop(site):
    for daemons in (site.iked, site.xfrmd):
        for process in daemons.values():
            process.stop()
        daemons.clear()


def clear_keys(host):
    for table in ("esp_sa", "ikev2_decryption_table"):
        path = os.path.join(host.dir, table)
        if os.path.exists(path):
            os.unlink(path)


# Super-packets are cut and joined on the way: 16 MB without a pattern show a byte out of place.
NOISE = """import hashlib, random, socket, sys
host, port, here = sys.argv[1], 5005, sys.argv[2]
data = random.Random(7).randbytes(1 << 20) * 16
if here == "sends":
    with socket.create_connection((host, port), 5) as s: s.sendall(data)
else:
    with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        print("listening", flush=True)
        with s.accept()[0].makefile("rb") as got: print("same" if got.read() == data else "different", flush=True)
"""


def noise(site, host):
    server = site.bob.start(["/usr/bin/python3", "-c", NOISE, host, "receives"], "noise")
    server.wait_for("listening", 10)
    site.alice(["/usr/bin/python3", "-c", NOISE, host, "sends"])
    wait_until(lambda: not server.alive(), 20)
    server.stop()
    return server.output().split()[-1]


def paths(site, tap):
    for outer, encap in PATHS:
        name = f"{'UDP' if encap else 'raw ESP'} over IPv{outer}"
        site.start(outer=outer, encap=encap)
        site.up()
        for inner in (4, 6):
            got = site.alice.ping(BOB[inner], 5, 0.02)
            tap.equal(f"{name}: IPv{inner} ping passes", got, 5)
            site.alice.ping(BOB[inner], 4, 0.02, size=3000)  # IPv6 hosts learn the path MTU from their first tries
            got = site.alice.ping(BOB[inner], 3, 0.02, size=3000)
            tap.equal(f"{name}: IPv{inner} ping of 3000 bytes passes (fragments)", got, 3)
            got = site.bob.ping(ALICE[inner], 3, 0.02)
            tap.equal(f"{name}: IPv{inner} ping the other way passes", got, 3)
            tap.equal(f"{name}: IPv{inner} TCP brings every byte as it was", noise(site, BOB[inner]), "same")
        tap.check(f"{name}: TCP passes at more than 50 Mbit/s", tcp(site.alice, site.bob, BOB[4]) > 50e6)
        stop(site)


def algorithms(site, tap):
    for esp in ESP:
        clear_keys(site.moon)
        for host in (site.moon, site.sun):
            site.xfrmd[host] = host.xfrmd()
            site.iked[host] = host.iked(site.config(host.name, esp=esp, encap=True), "--keylog", host.dir)
        site.up()
        ear = capture(site.cafe, "eth0", "esp.pcapng")
        got = site.alice.ping(BOB[4], 5, 0.02)
        pcap = ear()
        tap.equal(f"ESP {esp}: ping passes", got, 5)
        if esp.startswith("chacha"):
            tap.skip(f"ESP {esp}: tshark decrypts all of it", NO_CHACHA)
            stop(site)
            continue
        shown = tshark(site.moon, pcap, site.moon.dir, ["-Y", "icmp.type == 8"])
        tap.equal(f"ESP {esp}: tshark decrypts all of it with the logged keys", shown.count("Echo (ping) request"), 5)
        stop(site)


def ike_algorithms(site, tap):
    for ike in IKE:
        clear_keys(site.moon)
        ear = capture(site.cafe, "eth0", "ike.pcapng")
        for host in (site.moon, site.sun):
            site.xfrmd[host] = host.xfrmd()
            site.iked[host] = host.iked(site.config(host.name, ike=ike, encap=True), "--keylog", host.dir)
        site.up()
        pcap = ear()
        tap.equal(f"IKE {ike}: ping passes", site.alice.ping(BOB[4], 3, 0.02), 3)
        if ike.startswith("chacha"):
            tap.skip(f"IKE {ike}: tshark decrypts IKE_AUTH", NO_CHACHA)
            stop(site)
            continue
        shown = tshark(site.moon, pcap, site.moon.dir, ["-V", "-Y", "isakmp.exchangetype == 35"])
        good = shown.count("moon.example.org") >= 1 and shown.count("sun.example.org") >= 1
        tap.check(f"IKE {ike}: tshark decrypts IKE_AUTH with the logged keys", good, shown[-1500:])
        stop(site)


def test(lab, tap):
    site = Sites(lab)
    paths(site, tap)
    algorithms(site, tap)
    ike_algorithms(site, tap)


if __name__ == "__main__":
    main(test, "tunnels: families, encapsulation, algorithms")
