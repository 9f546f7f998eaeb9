#!/usr/bin/python3
"""Set-ups that do not work, as new users have them: one `pavise` command on one side names the cause and the remedy."""
import datetime
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from lab import PAVISE, main, wait_until
from sites import Sites

HOUR = datetime.timedelta(hours=1)


def words(text):
    return " ".join(text.split())


class Broken:
    def __init__(self, lab):
        self.site = Sites(lab)
        self.moon, self.sun = self.site.moon, self.site.sun
        self.iked = {}
        for host in (self.moon, self.sun):
            host.xfrmd()

    def start(self, change=None, both=None, **options):
        """Starts both diplomats; change: {host name: [(old, new)]} of their configurations."""
        for host in (self.moon, self.sun):
            if host in self.iked:
                self.iked[host].stop()
            text = self.site.config(host.name, **{"inner": (4,), **options.get(host.name, {}), **(both or {})})
            for old, new in (change or {}).get(host.name, []):
                text = text.replace(old, new)
            self.iked[host] = host.iked(text)

    def up(self, seconds=2):
        done = self.moon.pavise("up", "net-net", "--timeout", str(seconds))
        return words(done.stdout + done.stderr)

    def heard(self, act):
        """What `pavise log` tells on sun meanwhile."""
        log = self.sun.start([PAVISE, "log", "--vici-socket", self.sun.vici], "log")
        wait_until(lambda: log.output() or not log.alive(), 1)
        act()
        wait_until(lambda: "answered with" in log.output(), 3)
        log.stop()
        return words(log.output())

    def codes(self):
        return {p["code"]: p["hint"] for p in json.loads(self.moon.pavise("status", "--json").stdout)["problems"]}


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
        said = b.heard(b.up)
        tap.check({"expired": "an expired certificate: the peer's log names it and the remedy",
                   "clock": "a clock an hour off: the same"}[what],
                  all(w in said for w in wanted[what]) and "moon.example.org" in said, said)


def run(lab, tap):
    b = Broken(lab)
    agreements(b, tap)
    networks(b, tap)
    certificates(b, tap)


if __name__ == "__main__":
    main(run, "set-ups that do not work")
