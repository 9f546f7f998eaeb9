#!/usr/bin/python3
"""Peers that are proved by what DNSSEC proves of their names: IPSECKEY and CERT records in a zone that is really signed,
served by BIND. What is not signed, what was changed after it was signed, and what is not there is refused.

    alice - moon - cafe (named, the root zone) - sun - bob        moon calls, sun answers
"""
import base64
import glob
import os
import re
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../interop")]
from lab import main, run, wait_until
from sites import BOB, OUTER, Sites
from strongswan_cert_test import put

NEEDS = ("named", "dnssec-keygen", "dnssec-signzone", "openssl")
SERVER = "192.0.2.254"
CONN = """\
connections {{
    net {{
        local_addrs = {local}
        remote_addrs = {remote}
        send_cert = never
        send_certreq = no
        local {{
            id = {me}
            {ours}
        }}
        remote {{
            id = {peer}
            auth = pubkey
        }}
        children {{
            net {{
                local_ts = {local_ts}
                remote_ts = {remote_ts}
            }}
        }}
    }}
}}
"""
SETTINGS = """\
charon {{
    plugins {{
        {plugin} {{
            enable = yes
        }}
        unbound {{
            resolv_conf = {folder}/resolv.conf
            trust_anchors = {folder}/anchors
        }}
    }}
}}
"""
# The root, in which there is all but one zone that nobody has signed.
ZONE = """\
$TTL 60
@ IN SOA ns. root. 1 3600 600 86400 60
@ IN NS ns.
ns. IN A 192.0.2.254
unsigned. IN NS ns.
moon.example.org. IN IPSECKEY 5 0 2 . {stranger}
moon.example.org. IN IPSECKEY 10 3 2 gw.example.org. {moon}
moon.example.org. IN IPSECKEY 20 1 1 192.0.2.1 AAAA
sun.example.org. IN IPSECKEY 10 2 3 2001:db8::1 {sun}
other.example.org. IN IPSECKEY 10 0 2 . {stranger}
spoilt.example.org. IN IPSECKEY 10 0 3 . {spoilt}
alias.example.org. IN CNAME sun.example.org.
cert.example.org. IN CERT 6 0 0 {cert}
cert.example.org. IN CERT PKIX 0 0 {cert}
moon.example.org. IN CERT PKIX 0 0 {moon_cert}
"""
UNSIGNED = "$TTL 60\n@ IN SOA ns. root. 1 3600 600 86400 60\n@ IN NS ns.\nsun IN IPSECKEY 10 0 3 . {sun}\n"
NAMED = """\
options {{ directory "{d}"; pid-file "{d}/pid"; session-keyfile "{d}/session"; listen-on {{ any; }}; listen-on-v6 {{ none; }};
           recursion no; dnssec-validation no; notify no; }};
controls {{ }};
zone "." {{ type primary; file "{d}/root.signed"; }};
zone "unsigned." {{ type primary; file "{d}/unsigned"; }};
"""


class Keys:
    """Made on the spot: <name>.key, <name>.pub, and <name>.pem, a certificate that nobody else has signed."""

    def __init__(self, folder):
        self.dir = folder
        os.makedirs(folder)

    def path(self, name):
        return os.path.join(self.dir, name)

    def make(self, name, algorithm, fqdn):
        kind = {"rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "ec": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]}
        key, pub = self.path(name + ".key"), self.path(name + ".pub")
        run(["openssl", "genpkey", "-algorithm", *kind[algorithm], "-out", key])
        run(["openssl", "pkey", "-in", key, "-pubout", "-out", pub])
        run(["openssl", "req", "-x509", "-key", key, "-subj", "/CN=" + name, "-days", "2", "-out", self.path(name + ".pem"),
               "-addext", "subjectAltName=DNS:" + fqdn, "-addext", "basicConstraints=CA:FALSE"])
        return self.rdata(name, algorithm)

    def rdata(self, name, algorithm):
        """As DNS has it: RFC 3110 or RFC 6605, in base64."""
        if algorithm == "rsa":
            modulus = run(["openssl", "rsa", "-pubin", "-in", self.path(name + ".pub"), "-modulus", "-noout"])
            return base64.b64encode(b"\x03\x01\x00\x01" + bytes.fromhex(modulus.strip().split("=")[1])).decode()
        pem = open(self.path(name + ".pub"), encoding="ascii").read()
        return base64.b64encode(base64.b64decode("".join(pem.split("\n")[1:-2]))[-64:]).decode()

    def cert(self, name):
        pem = open(self.path(name + ".pem"), encoding="ascii").read()
        return "".join(pem.strip().split("\n")[1:-1])


def sign(keys):
    """The root zone; then one signed key in it is changed."""
    d = keys.dir
    data = {"moon": keys.make("moon", "rsa", "moon.example.org"), "sun": keys.make("sun", "ec", "sun.example.org"),
            "stranger": keys.make("stranger", "rsa", "other.example.org"), "spoilt": keys.make("spoilt", "ec", "spoilt.example.org")}
    keys.make("cert", "ec", "cert.example.org")
    with open(os.path.join(d, "root"), "w", encoding="ascii") as f:
        f.write(ZONE.format(**data, cert=keys.cert("cert"), moon_cert=keys.cert("moon")))
    with open(os.path.join(d, "unsigned"), "w", encoding="ascii") as f:
        f.write(UNSIGNED.format(**data))
    run(["dnssec-keygen", "-q", "-K", d, "-a", "ECDSAP256SHA256", "-f", "KSK", "."])
    run(["dnssec-signzone", "-q", "-S", "-z", "-O", "full", "-K", d, "-d", d, "-o", ".", "-f", os.path.join(d, "root.signed"),
           os.path.join(d, "root")])
    anchor = open(glob.glob(os.path.join(d, "K.*.key"))[0], encoding="ascii").read()
    with open(os.path.join(d, "anchors"), "w", encoding="ascii") as f:
        f.write(anchor)
    with open(os.path.join(d, "resolv.conf"), "w", encoding="ascii") as f:
        f.write(f"nameserver {SERVER}\n")
    with open(os.path.join(d, "root.signed"), encoding="ascii") as f:
        zone = f.read()
    spoilt = re.sub(r"(?m)^(spoilt\.example\.org\..*IPSECKEY\s+10 0 3 \. ).*$", lambda m: m[1] + data["sun"], zone)
    assert spoilt != zone, "the record to be spoilt is not in the signed zone"
    with open(os.path.join(d, "root.signed"), "w", encoding="ascii") as f:
        f.write(spoilt)


def serve(site, keys):
    conf = os.path.join(keys.dir, "named.conf")
    with open(conf, "w", encoding="ascii") as f:
        f.write(NAMED.format(d=keys.dir))
    return site.cafe.start(["named", "-g", "-n", "1", "-c", conf], "named")


def start(site, keys, host, me, peer, plugin, ours):
    moon = host is site.moon
    local, remote = OUTER[4] if moon else OUTER[4][::-1]
    nets = ("10.1.0.0/16", "10.2.0.0/16")
    conf = host.file("strongswan.conf", SETTINGS.format(plugin=plugin, folder=keys.dir))
    if host in site.iked:
        site.iked[host].stop()
    text = CONN.format(local=local, remote=remote, me=me, peer=peer, ours=ours, local_ts=nets[not moon], remote_ts=nets[moon])
    site.iked[host] = host.iked(text, "--strongswan-conf", conf)


def call(site, keys, sun, plugin="ipseckey"):
    """moon calls sun by that name; what came of it, and what moon says."""
    field, end = ("pubkeys", "pub") if plugin == "ipseckey" else ("certs", "pem")
    key = "cert" if sun.startswith("cert") else "sun"
    start(site, keys, site.sun, sun, "moon.example.org", plugin, f"{field} = {key}.{end}")
    start(site, keys, site.moon, "moon.example.org", sun, plugin, f"{field} = moon.{end}")
    done = site.moon.pavise("up", "net")
    return done.returncode == 0, "".join((done.stdout, done.stderr, site.iked[site.moon].output(),
                                          site.iked[site.sun].output()))


def by_keys(site, tap, keys):
    came, said = call(site, keys, "sun.example.org")
    tap.check("IPSECKEY records prove both sides: the tunnel is up", came, said)
    tap.check("the question is told", "performing a DNS query for IPSECKEY RRs of 'sun.example.org'" in said, said)
    tap.check("and so is a record that does not fit, which comes first",
              "an IPSECKEY record of moon.example.org is passed over: its signature" in said, said)
    tap.check("ping passes", site.alice.ping(BOB[4], 2, 0.05) == 2)
    for name, what, words in (
            ("sun.unsigned", "a zone that is not signed", "the answer is not secure"),
            ("spoilt.example.org", "a key that was changed after it was signed", "the answer is bogus"),
            ("nobody.example.org", "a name without records", "there are none"),
            ("other.example.org", "somebody else's key", "its signature is not of the key"),
            ("*.example.org", "a name that is none of a host", "it sent no certificate")):
        came, said = call(site, keys, name)
        tap.check(f"{what}: refused, and why is said", not came and words in said, said)
    came, said = call(site, keys, "alias.example.org")
    tap.check("an alias leads to the key: the tunnel is up", came, said)


def by_certs(site, tap, keys):
    came, said = call(site, keys, "cert.example.org", "dnscert")
    tap.check("CERT records prove both sides without an authority: the tunnel is up", came, said)
    tap.check("the question is told", "performing a DNS query for CERT RRs of 'cert.example.org'" in said, said)
    tap.check("ping passes", site.alice.ping(BOB[4], 2, 0.05) == 2)
    came, said = call(site, keys, "sun.example.org", "dnscert")
    tap.check("a name without a certificate: refused", not came and "there are none" in said, said)


def without(site, tap, keys, named):
    """The server is gone: an answer in time, and then none."""
    named.stop()
    came, said = call(site, keys, "sun.example.org")
    tap.check("without a name server: refused", not came and "nor does DNS prove it" in said, said)


def test(lab, tap):
    missing = [name for name in NEEDS if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")]
    if missing:
        tap.skip("keys and certificates from DNSSEC", f"not installed: {', '.join(missing)}")
        return
    site, keys = Sites(lab), Keys(os.path.join(lab.dir, "dns"))
    sign(keys)
    named = serve(site, keys)
    for host in (site.moon, site.sun):
        for name in ("moon",) if host is site.moon else ("sun", "cert"):
            put(host, "private", keys.path(name + ".key"), name + ".key")
            put(host, "pubkey", keys.path(name + ".pub"), name + ".pub")
            put(host, "x509", keys.path(name + ".pem"), name + ".pem")
        site.xfrmd[host] = host.xfrmd()
    tap.check("named has loaded the zones", wait_until(lambda: "running" in named.output(), 20), named.output()[-800:])
    by_keys(site, tap, keys)
    by_certs(site, tap, keys)
    without(site, tap, keys, named)


if __name__ == "__main__":
    main(test, "net/dnssec: peers that DNSSEC proves")
