#!/usr/bin/python3
"""What certificates need from the web: a real HTTP server with certificates (hash and URL) and CRLs, a real OCSP
responder, and servers that never answer, which hold up nobody else. The peer is Debian's strongSwan.

    alice - moon (Pavise) - cafe (HTTP 80, OCSP 2560, nothing on 81) - sun (strongSwan) - bob
"""
import hashlib
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
import strongswan
from lab import PAVISE, main, wait_until
from sites import BOB, OUTER, Sites
from strongswan_cert_test import KINDS, Authority, openssl, put

PLUGINS = ("load = random nonce openssl pem pkcs1 pkcs8 x509 constraints pubkey kdf curve25519 hmac sha1 sha2 aes gcm "
           "mgf1 chapoly curl revocation kernel-libipsec kernel-netlink socket-default vici updown\n    hash_and_url = yes\n")
SERVER = """\
import functools, http.server, socket, sys
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
Server(("::", 80), functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])).serve_forever()
"""
CAFE = {4: "192.0.2.254", 6: "[2001:db8:a::fe]"}
CONN = """\
    {name} {{
        local_addrs = {local}
        remote_addrs = {remote}
        encap = yes
        local {{
            certs = {me}-{name}.pem
            id = {me}-{name}.example.org
        }}
        remote {{
            id = {peer}-{name}.example.org
            revocation = {revocation}
        }}
        children {{
            {name}-net {{
                local_ts = {local_ts}
                remote_ts = {remote_ts}
            }}
        }}
    }}
"""
# Connections, and what the certificate of sun has in each; only ours is judged strictly.
HOSTS = {
    "url": [],
    "crl": ["crlDistributionPoints=URI:http://192.0.2.254/root.crl"],
    "listed": ["crlDistributionPoints=URI:http://192.0.2.254/root.crl"],
    "ocsp": ["authorityInfoAccess=OCSP;URI:http://192.0.2.254:2560"],
    "revoked": ["authorityInfoAccess=OCSP;URI:http://192.0.2.254:2560"],
    "dead": ["crlDistributionPoints=URI:http://192.0.2.254:81/root.crl"],
}


def make(root, name, extra):
    root.make(name, KINDS["p256"][0], f"/C=CH/O=Pavise test/CN={name}", root,
              [f"subjectAltName=DNS:{name}.example.org", "authorityKeyIdentifier=keyid", *extra], 30)


def serial(cert):
    return subprocess.run(["openssl", "x509", "-noout", "-serial", "-in", cert], capture_output=True,
                          text=True, check=True).stdout.strip().partition("=")[2]


def index(root, names, revoked):
    """openssl's data base of what the authority has made."""
    lines = [("R\t401231000000Z\t260101000000Z" if name in revoked else "V\t401231000000Z\t") +
             f"\t{serial(root.path(f'{name}.pem'))}\tunknown\t/CN={name}\n" for name in names]
    with open(root.path("index.txt"), "w", encoding="utf-8") as file:
        file.write("".join(lines))
    with open(root.path("index.txt.attr"), "w", encoding="utf-8") as file:
        file.write("unique_subject = no\n")
    with open(root.path("ca.cnf"), "w", encoding="utf-8") as file:
        file.write(f"[ca]\ndefault_ca = c\n[c]\ndatabase = {root.path('index.txt')}\ndefault_md = sha256\n"
                   "default_crl_days = 7\ncrl_extensions = x\n[x]\nauthorityKeyIdentifier = keyid\n")


def publish(root, folder):
    """Certificates under the hash of their DER, and the CRL."""
    os.makedirs(folder)
    for name in os.listdir(root.dir):
        if name.endswith(".pem"):
            der = subprocess.run(["openssl", "x509", "-in", root.path(name), "-outform", "DER"], capture_output=True,
                                 check=True).stdout
            with open(os.path.join(folder, hashlib.sha1(der).hexdigest()), "wb") as file:
                file.write(der)
    openssl("ca", "-config", root.path("ca.cnf"), "-gencrl", "-keyfile", root.path("root.key"), "-cert",
            root.path("root.pem"), "-out", os.path.join(folder, "root.crl.pem"))
    openssl("crl", "-in", os.path.join(folder, "root.crl.pem"), "-outform", "DER", "-out", os.path.join(folder, "root.crl"))


def config(me, family):
    ours, peer = me == "moon", "sun" if me == "moon" else "moon"
    outer = OUTER[family] if ours else OUTER[family][::-1]
    inner = ("10.1.0.0/16", "10.2.0.0/16") if ours else ("10.2.0.0/16", "10.1.0.0/16")
    text = "".join(CONN.format(name=name, local=outer[0], remote=outer[1], me=me, peer=peer, local_ts=inner[0],
                               remote_ts=inner[1], revocation="strict" if ours and name != "url" else "relaxed")
                   for name in HOSTS)
    return (f"connections {{\n{text}}}\nauthorities {{\n    root {{\n        cacert = root.pem\n"
            f"        cert_uri_base = http://{CAFE[family]}/\n    }}\n}}\n")


OWN = "charon {{\n    hash_and_url = {}\n    cache_crls = yes\n}}\n"


class Pair:
    def __init__(self, site, family):
        self.site, self.family = site, family
        site.xfrmd[site.moon] = site.moon.xfrmd()
        self.start()
        self.peer = strongswan.StrongSwan(site.sun, config("sun", family), extra=PLUGINS)

    def start(self, hash_and_url="yes"):
        moon = self.site.moon
        self.site.iked[moon] = moon.iked(config("moon", self.family), "--strongswan-conf", moon.file("own.conf", OWN.format(hash_and_url)))

    def log(self):
        return self.site.iked[self.site.moon].output()

    def up(self, name):
        done = self.site.moon.pavise("up", f"{name}-net")
        return done.returncode == 0, done.stdout + done.stderr

    def called(self, name):
        said = self.peer.swanctl("--initiate", "--child", f"{name}-net", check=False)
        return "initiate completed successfully" in said, said

    def down(self, name):
        self.site.moon.pavise("down", name)
        wait_until(lambda: not self.site.spis(self.site.moon) and not self.peer.swanctl("--list-sas").strip(), 5)

    def stop(self):
        self.site.iked[self.site.moon].stop()
        self.site.xfrmd[self.site.moon].stop()
        self.peer.stop()


def hash_and_url(pair, tap, family):
    for role, call in (("initiator", pair.up), ("responder", pair.called)):
        what = f"hash and URL, IPv{family}, we are {role}"
        before, heard = len(pair.log()), len(pair.peer.log())
        good, said = call("url")
        tap.check(f"{what}: the tunnel is up", good, said + pair.log()[before:][-2000:])
        tap.check(f"{what}: ping passes", pair.site.alice.ping(BOB[4], 2, 0.05) == 2)
        tap.check(f"{what}: we have fetched the peer's certificate", wait_until(
            lambda: 'fetched certificate "C=CH, O=Pavise test, CN=sun-url"' in pair.log()[before:], 3),
            pair.log()[before:][-2000:])
        # It keeps what it has fetched once.
        if role == "initiator":
            tap.check(f"{what}: the peer has fetched ours", "fetched certificate" in pair.peer.log()[heard:],
                      pair.peer.log()[heard:][-2000:])
        pair.down("url")


def revocation(pair, tap):
    for name, word in (("crl", None), ("listed", "revoked"), ("ocsp", None), ("revoked", "revoked")):
        for role, call in (("initiator", pair.up), ("responder", pair.called)):
            before = len(pair.log())
            good, said = call(name)
            story = said + pair.log()[before:][-2000:]
            if word:
                tap.check(f"{name}, we are {role}: refused, and why is said", not good and word in
                          pair.log()[before:] + said, story)
            else:
                tap.check(f"{name}, we are {role}: the tunnel is up", good, story)
                pair.down(name)


def kept(pair, tap, root):
    """cache_crls: the list is a file, and there after a restart, whatever has become of its server."""
    site = pair.site
    moon = site.moon
    shown = subprocess.run(["openssl", "x509", "-in", root.path("root.pem"), "-noout", "-ext", "subjectKeyIdentifier"], text=True,
                           capture_output=True, check=True).stdout
    name = shown.strip().split("\n")[-1].strip().replace(":", "").lower() + ".crl"
    folder = os.path.join(moon.dir, "x509crl")
    tap.equal("cache_crls: the CRL is a file that its signer's key gives its name", os.listdir(folder), [name])
    openssl("crl", "-inform", "DER", "-in", os.path.join(folder, name), "-noout")
    site.cafe.nft("table ip silent {\n chain in {\n type filter hook input priority 0\n tcp dport 80 drop\n }\n}")
    site.iked[moon].stop()
    pair.start("no")  # certificates, too, shall not be looked for there
    good, said = pair.up("crl")
    tap.check("cache_crls: after a restart nobody has to be asked", good and "fetching crl" not in pair.log(), said + pair.log()[-2000:])
    pair.down("crl")
    good, said = pair.up("listed")
    tap.check("cache_crls: and who is in it is refused", not good and "revoked" in said, said)
    site.cafe("nft delete table ip silent")


def dead_server(pair, tap):
    """A server that takes connections from nobody: who needs it waits, others do not."""
    moon = pair.site.moon
    slow = moon.start([PAVISE, "up", "dead-net", "--vici-socket", moon.vici], "up-dead")
    time.sleep(0.7)
    began = time.monotonic()
    good, said = pair.up("url")
    took = time.monotonic() - began
    tap.check("a dead CRL server: another peer is up at once", good and took < 2, f"{took:.1f} s\n{said}")
    tap.check("a dead CRL server: who needs it still waits", slow.alive(), slow.output())
    pair.down("url")
    tap.check("a dead CRL server: then it is refused, and why is said", wait_until(
        lambda: not slow.alive() and "sun-dead" in slow.output(), 20), slow.output() + pair.log()[-2000:])


def test(lab, tap):
    if strongswan.missing():
        tap.skip("strongSwan", strongswan.missing())
        return
    site, root = Sites(lab), Authority(os.path.join(lab.dir, "ca"), "root")
    for name, extra in HOSTS.items():
        make(root, f"sun-{name}", extra)
        make(root, f"moon-{name}", [])
    os.makedirs(os.path.join(site.moon.dir, "x509crl"))
    for host, me in ((site.moon, "moon"), (site.sun, "sun")):
        put(host, "x509ca", root.path("root.pem"), "root.pem")
        for name in HOSTS:
            put(host, "x509", root.path(f"{me}-{name}.pem"), f"{me}-{name}.pem")
            put(host, "private", root.path(f"{me}-{name}.key"), f"{me}-{name}.key")
    index(root, [f"sun-{name}" for name in HOSTS], ("sun-listed", "sun-revoked"))
    publish(root, os.path.join(lab.dir, "www"))
    web = site.cafe.start(["/usr/bin/python3", "-c", SERVER, os.path.join(lab.dir, "www")], "web")
    ocsp = site.cafe.start(["openssl", "ocsp", "-index", root.path("index.txt"), "-CA", root.path("root.pem"), "-rsigner",
                            root.path("root.pem"), "-rkey", root.path("root.key"), "-port", "2560", "-ndays", "1"], "ocsp")
    site.cafe.nft("table ip dead {\n chain in {\n type filter hook input priority 0\n tcp dport 81 drop\n }\n}")
    for family in (4, 6):
        pair = Pair(site, family)
        hash_and_url(pair, tap, family)
        if family == 4:
            dead_server(pair, tap)  # as long as no CRL is known
            revocation(pair, tap)
            kept(pair, tap, root)
        pair.stop()
    web.stop()
    ocsp.stop()


if __name__ == "__main__":
    main(test, "certificates and the web")
