#!/usr/bin/python3
"""Set-ups that do not work, as new users have them: one `pavise` command on one side names the cause and the remedy."""
import datetime
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from lab import IKED, PAVISE, main, wait_until
from sites import BOB, Sites

HOUR = datetime.timedelta(hours=1)


def words(text):
    return " ".join(text.split())


class Broken:
    def __init__(self, lab):
        self.site = Sites(lab)
        self.moon, self.sun = self.site.moon, self.site.sun
        self.iked = {}
        self.xfrmd = {host: host.xfrmd() for host in (self.moon, self.sun)}

    def start(self, change=None, both=None, binary=None, **options):
        """Starts both diplomats; change: {host name: [(old, new)]} of their configurations; binary: {host name: path}."""
        for host in (self.moon, self.sun):
            if host in self.iked:
                self.iked[host].stop()
            text = self.site.config(host.name, **{"inner": (4,), **options.get(host.name, {}), **(both or {})})
            for old, new in (change or {}).get(host.name, []):
                text = text.replace(old, new)
            self.iked[host] = host.iked(text, binary=(binary or {}).get(host.name, IKED))

    def up(self, seconds=2):
        done = self.moon.pavise("up", "net-net", "--timeout", str(seconds))
        return words(done.stdout + done.stderr)

    def heard(self, act):
        """What `pavise log sites` tells on sun afterwards."""
        act()
        said = []

        def told():
            said[:] = [words(self.sun.pavise("log", "sites").stdout)]
            return "answered with" in said[0]
        wait_until(told, 5, 0.2)
        return said[0]

    def problems(self):
        return json.loads(self.moon.pavise("status", "--json").stdout)["problems"]

    def codes(self):
        return {p["code"]: p["hint"] for p in self.problems()}


def agreements(b, tap):
    b.start(moon={"secret": "not the same"})
    said = b.heard(b.up)
    tap.check("wrong secret: the log asks whether it is the same", "is the pre-shared key the same?" in said, said)
    b.start({"sun": [("id = moon.example.org", "id = venus.example.org")]})
    said = b.heard(b.up)
    tap.check("wrong identity: the log names it and the key to change",
              "the identity moon.example.org (remote.id)" in said, said)
    b.start(moon={"ike": "aes256-sha256-x25519"}, sun={"ike": "aes128-sha256-x25519"})
    said = b.heard(b.up)
    tap.check("proposals: the log shows both lists", "the peer offers: AES_CBC_256/" in said and
              "taken here is: AES_CBC_128/" in said, said)
    tap.check("... and the first difference", "no encryption algorithm in common: AES_CBC_256 on one side, AES_CBC_128 on the "
              "other" in said, said)
    said = b.up()
    tap.check("... and the initiator what it has offered", "refused by the peer was our offer: AES_CBC_256/" in said, said)
    b.start(moon={"esp": "aes256gcm16"}, sun={"esp": "aes128gcm16"})
    said = b.heard(b.up)
    tap.check("ESP proposals: the same", "no encryption algorithm in common: AES_GCM_16_256 on one side, AES_GCM_16_128" in said, said)
    b.start({"sun": [("remote_ts = 10.1.0.0/16", "remote_ts = 10.7.0.0/16")]})
    said = b.up()
    tap.check("selectors: the initiator says which, and how they have to fit", "our selectors, local_ts = 10.1.0.0/16 and "
              "remote_ts = 10.2.0.0/16: on its side they have to be within those of one child" in said, said)
    said = b.heard(b.up)
    tap.check("... and the responder which its own are not", "the peer wants 10.1.0.0/16 to reach 10.2.0.0/16" in said, said)


def networks(b, tap):
    b.site.cafe.nft("table inet f { chain c { type filter hook forward priority 0; udp dport 4500 drop; }; }")
    b.start(both={"encap": True})
    attempt = b.moon.start([PAVISE, "up", "net-net", "--vici-socket", b.moon.vici])
    tap.check("UDP 4500 blocked: status says so, and what to do", wait_until(lambda: "let UDP 4500 pass" in
              b.codes().get("natt-blocked", ""), 8, 0.3), b.codes())
    attempt.stop()
    b.site.cafe.nft("flush ruleset")
    b.start()
    b.up(10)
    b.moon.sysctl(net__ipv4__ip_forward=0)
    tap.check("forwarding off: status says so, and what to do", "sysctl -w net.ipv4.ip_forward=1" in
              b.codes().get("forwarding-off", ""), b.codes())
    b.moon.sysctl(net__ipv4__ip_forward=1)


# Without SHA-1 there is no NAT detection (RFC 7296 2.23).
NO_SHA1 = """#define _GNU_SOURCE
#include <dlfcn.h>
#include <openssl/evp.h>
int EVP_DigestInit_ex(EVP_MD_CTX *ctx, const EVP_MD *type, ENGINE *impl)
{
    int (*real)(EVP_MD_CTX *, const EVP_MD *, ENGINE *) = dlsym(RTLD_NEXT, "EVP_DigestInit_ex");
    return type && EVP_MD_get_type(type) == 64 ? 0 : real(ctx, type, impl); // NID_sha1
}
"""


def deaf_to_nats(host):
    """A pavise-iked that takes no part in NAT detection, as a program that start() can run."""
    source, library = host.file("no_sha1.c", NO_SHA1), os.path.join(host.dir, "no_sha1.so")
    host(["cc", "-shared", "-fPIC", "-o", library, source])
    return host.file("deaf", "#!/bin/sh\nASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0\nexport ASAN_OPTIONS\n"
                     f"exec env LD_PRELOAD={library} {IKED} \"$@\"\n", 0o700)


def nat(b, tap):
    if not shutil.which("cc"):
        tap.skip("a NAT, and a peer without NAT traversal", "there is no C compiler")
        return
    b.site.cafe.nft("""table ip n { chain p { type nat hook postrouting priority 100; oifname eth1 ip saddr 192.0.2.0/24 masquerade; }; }
                       table ip f { chain c { type filter hook forward priority 0; ip protocol esp drop; }; }""")
    # MOBIKE would find it (NO_NATS_ALLOWED): its peer says that somebody has changed addresses.
    b.start(both={"remote_any": True}, binary={"sun": deaf_to_nats(b.sun)})
    tap.check("a NAT, and a peer without NAT traversal: with MOBIKE it does not come up", "UNEXPECTED_NAT" in b.up(10))
    b.start(both={"remote_any": True, "conn_extra": "mobike = no"}, binary={"sun": deaf_to_nats(b.sun)})
    b.up(10)
    tap.check("... without it does, and status says why nothing passes, and what to do", wait_until(
        lambda: b.site.alice.ping(BOB[4], 2, 0.1, wait=1) == 0 and
        "switch NAT traversal on at the peer" in b.codes().get("natt-missing", ""), 40, 0.5), b.problems())
    b.start(both={"remote_any": True})
    b.up(10)
    b.site.alice.ping(BOB[4], 3, 0.1)
    tap.equal("... with NAT traversal nothing is wrong", b.codes(), {})
    b.site.cafe.nft("flush ruleset")


# Sends so many bytes from one end to the other; prints how many came.
SEND = """import socket, sys
to, n, here = sys.argv[1], int(sys.argv[2]), sys.argv[3]
def give(s):
    s.sendall(b"x" * n)
    s.shutdown(socket.SHUT_WR)
    s.recv(1)
def take(s):
    with s.makefile("rb") as got: print("got", len(got.read()), flush=True)
if here == "listens":
    with socket.create_server((to, 7007)) as l:
        print("listening", flush=True)
        with l.accept()[0] as s: (take if sys.argv[4] == "up" else give)(s)
else:
    with socket.create_connection((to, 7007), 20) as s: (give if sys.argv[4] == "up" else take)(s)
"""


def carry(b, n, way):
    """Has n bytes sent to bob ("up") or from him ("down"); who is at work."""
    command = ["/usr/bin/python3", "-c", SEND, BOB[4], str(n)]
    bob = b.site.bob.start([*command, "listens", way], "carry")
    bob.wait_for("listening", 20)
    alice = b.site.alice.start([*command, "calls", way], "carry")
    return (bob if way == "up" else alice), (alice, bob)


def carried(b, n, way, seconds):
    taker, both = carry(b, n, way)
    there = wait_until(lambda: f"got {n}" in taker.output(), seconds, 0.2)
    for process in both:
        process.stop()
    return there


def suspected(b, about):
    return wait_until(lambda: b.site.alice.ping(BOB[4], 2, 0.1, wait=1) == 2 and
                      any(p["code"] == "mtu-suspected" and p["what"].startswith(about) and "--mss-clamp" in p["hint"]
                          for p in b.problems()), 40, 0.5)


def black_hole(b, tap):
    b.start()
    b.up(10)
    tap.check("a path that takes all: TCP passes", all(carried(b, 3_000_000, way, 30) for way in ("up", "down")))
    tap.equal("... and nothing is suspected", b.codes(), {})
    b.site.cafe.nft("""table inet f { chain o { type filter hook output priority 0; icmp type destination-unreachable drop; };
                                      chain c { type filter hook forward priority 0; icmp type destination-unreachable drop; }; }""")
    b.site.cafe("ip link set eth1 mtu 1280")
    for way, about in (("up", "to 198.51.100.1"), ("down", "from 198.51.100.1")):
        b.start()
        b.up(10)
        _, both = carry(b, 100_000, way)
        tap.check(f"a path of 1280 bytes without ICMP, {way}: short packets pass, and status suspects the path",
                  suspected(b, about), b.problems())
        for process in both:
            process.stop()
    b.xfrmd[b.moon].stop()
    b.xfrmd[b.moon] = b.moon.xfrmd("--mss-clamp", "1100")
    b.start()
    b.up(10)
    tap.check("what it recommends helps", all(carried(b, 300_000, way, 30) for way in ("up", "down")))
    tap.check("... and nothing is suspected any more", "mtu-suspected" not in b.codes(), b.problems())
    b.site.cafe.nft("flush ruleset")
    b.site.cafe("ip link set eth1 mtu 1500")


def certificate(subject, key, issuer, by, begin, end):
    ca = issuer == subject
    name = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in (subject, issuer)]
    builder = (x509.CertificateBuilder().subject_name(name[0]).issuer_name(name[1]).public_key(key.public_key())
               .serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
               .add_extension(x509.BasicConstraints(ca, None), True))
    if not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), False)
    return builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def certificates(b, tap):
    now = datetime.datetime.utcnow()
    root = ec.generate_private_key(ec.SECP256R1())
    key = {host: ec.generate_private_key(ec.SECP256R1()) for host in (b.moon, b.sun)}
    authority = certificate("root", root, "root", root, now - 9 * HOUR, now + 9 * HOUR)
    change = {host.name: [("auth = psk", "auth = pubkey"), (f"id = {host.name}.example.org\n",
                           f"id = {host.name}.example.org\n            certs = host.pem\n")] for host in (b.moon, b.sun)}
    times = {"expired": (now - 3 * HOUR, now - HOUR), "clock": (now + HOUR, now + 3 * HOUR)}
    wanted = {"expired": ("expired at", "have it renewed"), "clock": ("is not valid before", "set the clock, or wait")}
    for what, (begin, end) in times.items():
        for host in (b.moon, b.sun):
            for folder in ("x509", "x509ca", "private"):
                os.makedirs(os.path.join(host.dir, folder), exist_ok=True)
            host.file("x509ca/root.pem", authority)
            host.file("private/host.key", key[host].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                                  serialization.NoEncryption()).decode())
            mine = (begin, end) if host is b.moon else (now - HOUR, now + HOUR)
            host.file("x509/host.pem", certificate(f"{host.name}.example.org", key[host], "root", root, *mine))
        b.start(change)
        if what == "expired":
            tap.check("an expired certificate: its own side's status names it, before anybody calls",
                      "have it renewed" in b.codes().get("certificate-expired", ""), b.problems())
        else:
            tap.check("a clock an hour off: status on its host, by its own certificate",
                      "let NTP set them" in b.codes().get("clock-suspected", ""), b.problems())
        said = b.heard(b.up)
        if what == "clock":
            doubts = [p["what"] for p in json.loads(b.sun.pavise("status", "--json").stdout)["problems"]
                      if p["code"] == "clock-suspected"]
            tap.check("... and status on the host that has refused it", len(doubts) == 1 and
                      "moon.example.org was refused" in doubts[0], doubts)
        tap.check("... the peer's log names it and the remedy",
                  all(w in said for w in wanted[what]) and "moon.example.org" in said, said)


def run(lab, tap):
    b = Broken(lab)
    agreements(b, tap)
    networks(b, tap)
    nat(b, tap)
    black_hole(b, tap)
    certificates(b, tap)


if __name__ == "__main__":
    main(run, "set-ups that do not work")
