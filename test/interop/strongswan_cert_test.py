#!/usr/bin/python3
"""Certificates and Debian's strongSwan: every kind of key in both roles, chains, the methods of old, who
is refused and what is said about it, IPv4 and IPv6. All certificates are made here, by openssl."""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
import strongswan
from lab import main, wait_until
from sites import BOB, OUTER, Sites

FULL = os.environ.get("PAVISE_FULL")
# What the peer needs for certificates besides what it loads for pre-shared keys.
PLUGINS = ("load = random nonce openssl pem pkcs1 pkcs8 x509 constraints pubkey kdf curve25519 hmac sha1 sha2 aes gcm "
           "mgf1 chapoly kernel-libipsec kernel-netlink socket-default vici updown\n")
KINDS = {  # name: openssl's words for the key, `auth` of both sides
    "rsa": (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "pubkey"),
    "rsa-3072": (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"], "ike:rsa-sha384"),
    "pss": (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "ike:rsa/pss-sha256"),
    "p256": (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "pubkey"),
    "p384": (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "ike:ecdsa-sha384"),
    "p521": (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], "pubkey"),
    "ed25519": (["-algorithm", "ED25519"], "pubkey"),
}
CONN = """\
    {name} {{
        local_addrs = {local}
        remote_addrs = {remote}
        encap = yes
        {extra}
        local {{
            auth = {auth}
            certs = {cert}
            id = {me}-{name}.example.org
        }}
        remote {{
            auth = {auth}
            id = {peer}-{name}.example.org
        }}
        children {{
            {name}-net {{
                local_ts = {local_ts}
                remote_ts = {remote_ts}
            }}
        }}
    }}
"""


# ---- an authority in a folder ------------------------------------------------------------------

class Authority:
    """Makes certificates: self.dir/NAME.pem and NAME.key."""

    def __init__(self, folder, name, parent=None, days=30):
        self.dir, self.name = folder, name
        os.makedirs(folder, exist_ok=True)
        self.make(name, KINDS["p256"][0], f"/C=CH/O=Pavise test/CN={name}", parent,
                  ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign",
                   "subjectKeyIdentifier=hash"], days)

    def path(self, name):
        return os.path.join(self.dir, name)

    def make(self, name, words, subject, parent, extensions, days):
        key, request, cert = (self.path(f"{name}.{end}") for end in ("key", "csr", "pem"))
        openssl("genpkey", *words, "-out", key)
        openssl("req", "-new", "-key", key, "-subj", subject, "-out", request)
        with open(self.path("ext"), "w", encoding="utf-8") as file:
            file.write("\n".join(extensions) + "\n")
        by = ["-CA", parent.path(f"{parent.name}.pem"), "-CAkey", parent.path(f"{parent.name}.key"),
              "-CAcreateserial"] if parent else ["-signkey", key]
        openssl("x509", "-req", "-in", request, *by, "-days", days, "-extfile", self.path("ext"), "-out", cert)

    def host(self, name, kind="p256", days=30):
        self.make(name, KINDS[kind][0], f"/C=CH/O=Pavise test/CN={name}", self,
                  [f"subjectAltName=DNS:{name}.example.org"], days)


def openssl(*words):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"openssl {words}: {done.stderr}")


def put(host, folder, source, name):
    """A file into a folder beside the host's swanctl.conf."""
    os.makedirs(os.path.join(host.dir, folder), exist_ok=True)
    with open(source, encoding="utf-8") as file:
        host.file(os.path.join(folder, name), file.read())


def give(host, authority, name):
    put(host, "x509", authority.path(f"{name}.pem"), f"{name}.pem")
    put(host, "private", authority.path(f"{name}.key"), f"{name}.key")


def config(me, connections, family=4, extra=""):
    side = 0 if me == "moon" else 1
    outer, inner = OUTER[family], ("10.1.0.0/16", "10.2.0.0/16")
    text = "".join(CONN.format(
        name=name, local=outer[side], remote=outer[1 - side], auth=auth, me=me, peer=("sun", "moon")[side],
        cert=f"{me}-{name}.pem", local_ts=inner[side], remote_ts=inner[1 - side], extra=extra)
        for name, auth in connections)
    return f"connections {{\n{text}}}\n"


# ---- sessions ----------------------------------------------------------------------------------

class Pair:
    """Pavise on moon, strongSwan on sun."""

    def __init__(self, site, ours, theirs, extra=""):
        self.site = site
        site.xfrmd[site.moon] = site.moon.xfrmd()
        site.iked[site.moon] = site.moon.iked(ours)
        self.peer = strongswan.StrongSwan(site.sun, theirs, extra=PLUGINS + extra)

    def log(self):
        return self.site.iked[self.site.moon].output()

    def we_call(self, child):
        done = self.site.moon.pavise("up", f"{child}-net")
        return done.returncode == 0, done.stdout + done.stderr

    def they_call(self, child):
        said = self.peer.swanctl("--initiate", "--child", f"{child}-net", check=False)
        return "initiate completed successfully" in said, said

    def hang_up(self, conn):
        self.site.moon.pavise("down", conn)
        wait_until(lambda: not self.site.spis(self.site.moon) and not self.peer.swanctl("--list-sas").strip(), 5)

    def stop(self):
        self.site.iked[self.site.moon].stop()
        self.site.xfrmd[self.site.moon].stop()
        self.peer.stop()


def calls(pair, tap, name, how):
    """Both roles; `how`: words of our story about the peer's proof."""
    for role, call in (("initiator", pair.we_call), ("responder", pair.they_call)):
        before = len(pair.log())
        good, said = call(name)
        tap.check(f"{name}, we are {role}: the tunnel is up", good,
                  said + pair.log()[before:][-1500:] + pair.peer.log()[-1500:])
        if not good:
            continue
        tap.check(f"{name}, we are {role}: ping passes", pair.site.alice.ping(BOB[4], 2, 0.05) == 2)
        told = wait_until(lambda: how in pair.log()[before:], 3)
        tap.check(f"{name}, we are {role}: how the peer proved itself is told: {how}", told, pair.log()[before:])
        pair.hang_up(name)


HOW = {"rsa": "RSA_EMSA_PKCS1_SHA2_256", "rsa-3072": "RSA_EMSA_PKCS1_SHA2_384", "pss": "RSA_EMSA_PSS_SHA2_256_SALT_32",
       "p256": "ECDSA_WITH_SHA256_DER", "p384": "ECDSA_WITH_SHA384_DER", "p521": "ECDSA_WITH_SHA512_DER", "ed25519": "ED25519"}
CLASSIC = {"rsa": "RSA_EMSA_PKCS1_SHA1", "p256": "ECDSA-256", "p384": "ECDSA-384", "p521": "ECDSA-521"}


def each_kind(site, tap, folder, family):
    kinds = list(KINDS) if family == 4 else ["p256", "rsa"]
    root = Authority(folder, "root")
    for host, me in ((site.moon, "moon"), (site.sun, "sun")):
        put(host, "x509ca", root.path("root.pem"), "root.pem")
        for kind in kinds:
            root.host(f"{me}-{kind}", kind)
            give(host, root, f"{me}-{kind}")
    connections = [(kind, KINDS[kind][1]) for kind in kinds]
    pair = Pair(site, config("moon", connections, family), config("sun", connections, family))
    for kind in kinds:
        calls(pair, tap, kind, HOW[kind])
    pair.stop()


def without_rfc7427(site, tap):
    """The peer does not know digital signatures: methods 1, 9, 10 and 11."""
    kinds = list(CLASSIC)
    connections = [(kind, "pubkey") for kind in kinds]
    pair = Pair(site, config("moon", connections), config("sun", connections), "signature_authentication = no")
    for kind in kinds:
        calls(pair, tap, kind, CLASSIC[kind])
    pair.stop()


def chains(site, tap, folder):
    """Two authorities below the root, RSA keys, and messages in pieces: each side knows the root only."""
    root = Authority(folder, "chain-root")
    upper = Authority(folder, "upper", root)
    lower = Authority(folder, "lower", upper)
    for host, me in ((site.moon, "moon"), (site.sun, "sun")):
        lower.host(f"{me}-chain", "rsa")
        give(host, lower, f"{me}-chain")
        put(host, "x509ca", root.path("chain-root.pem"), "chain-root.pem")
        # Who sends them has them among his certificates, where they make nobody trusted.
        put(host, "x509ca" if me == "sun" else "x509", root.path("upper.pem"), "upper.pem")
        put(host, "x509ca" if me == "sun" else "x509", root.path("lower.pem"), "lower.pem")
    connections = [("chain", "pubkey")]
    pair = Pair(site, config("moon", connections, extra="send_cert = always"),
                config("sun", connections, extra="send_cert = always\n        fragmentation = yes"))
    calls(pair, tap, "chain", 'using certificate "C=CH, O=Pavise test, CN=sun-chain"')
    pair.stop()


def refusals(site, tap, folder):
    root, other = Authority(folder, "root-2"), Authority(folder, "other")
    for name, by, days in (("good", root, 30), ("foreign", other, 30), ("expired", root, -1)):
        by.host(f"sun-{name}", days=days)
        give(site.sun, by, f"sun-{name}")
        root.host(f"moon-{name}")
        give(site.moon, root, f"moon-{name}")
    put(site.moon, "x509ca", root.path("root-2.pem"), "root-2.pem")
    for authority in ("root-2", "other"):
        put(site.sun, "x509ca", root.path(f"{authority}.pem"), f"{authority}.pem")
    connections = [(name, "pubkey") for name in ("good", "foreign", "expired")]
    extra = "send_cert = always"
    pair = Pair(site, config("moon", connections), config("sun", connections, extra=extra))
    calls(pair, tap, "good", 'using certificate "C=CH, O=Pavise test, CN=sun-good"')
    sentences = {"foreign": 'no authority that we trust has signed certificate "C=CH, O=Pavise test, CN=sun-foreign"',
                 "expired": "expired"}
    for name, sentence in sentences.items():
        good, said = pair.we_call(name)
        tap.check(f"{name}: we do not believe the responder, and say why", not good and sentence in said, said)
        good, said = pair.they_call(name)
        tap.check(f"{name}: the initiator hears AUTHENTICATION_FAILED", not good and "AUTH_FAILED" in said, said)
        tap.check(f"{name}: our log says why", sentence in pair.log(), pair.log()[-1500:])
        tap.equal(f"{name}: no SA", site.spis(site.moon), set())
    pair.stop()


# ---- several rounds ----------------------------------------------------------------------------

KEY = "{{ auth = pubkey\n certs = {me}-host.pem\n id = {me}-host.example.org\n }}"
THEIR_KEY = "{{ auth = pubkey\n id = {me}-host.example.org\n }}"
SECRET = "{{ auth = psk\n id = {me}-user@example.org\n }}"
ROUNDS = {  # connection: whose sections are which, for whoever calls and for whoever is called
    "user": ([KEY, SECRET], [KEY]),
    "gate": ([KEY], [KEY, SECRET]),
    "both": ([SECRET, KEY], [KEY, SECRET]),
}
SECRETS = "secrets {{\n ike-1 {{\n id = {}-user@example.org\n secret = \"of the user\"\n }}\n ike-2 {{\n" \
          " id = {}-user@example.org\n secret = \"of the other\"\n }}\n}}\n"


def sections(what, kinds, me):
    texts = [THEIR_KEY if what == "remote" and kind == KEY else kind for kind in kinds]
    return "".join(f"        {what}-{n} {text.format(me=me)}\n" for n, text in enumerate(texts))


def rounds_config(me, family):
    """NAME-we: moon calls; NAME-they: sun calls."""
    peer, text = "sun" if me == "moon" else "moon", ""
    outer = OUTER[family] if me == "moon" else OUTER[family][::-1]
    inner = ("10.1.0.0/16", "10.2.0.0/16") if me == "moon" else ("10.2.0.0/16", "10.1.0.0/16")
    for name, (caller, called) in ROUNDS.items():
        for by in ("we", "they"):
            calls_ = (me == "moon") == (by == "we")
            text += (f"    {name}-{by} {{\n        local_addrs = {outer[0]}\n        remote_addrs = {outer[1]}\n"
                     "        encap = yes\n" + sections("local", caller if calls_ else called, me) +
                     sections("remote", called if calls_ else caller, peer) +
                     f"        children {{ {name}-{by}-net {{\n local_ts = {inner[0]}\n remote_ts = {inner[1]}\n }} }}\n    }}\n")
    return f"connections {{\n{text}}}\n" + SECRETS.format("moon", "sun")


def several_rounds(site, tap, folder, family):
    """RFC 4739: the caller twice, the called twice, both twice; keys and secrets in either order."""
    root = Authority(folder, f"rounds-{family}")
    for host, me in ((site.moon, "moon"), (site.sun, "sun")):
        root.host(f"{me}-host")
        give(host, root, f"{me}-host")
        put(host, "x509ca", root.path(f"rounds-{family}.pem"), f"rounds-{family}.pem")
    pair = Pair(site, rounds_config("moon", family), rounds_config("sun", family))
    for name in ROUNDS:
        # strongSwan 5.9.8 as initiator breaks off when both sides have several, with itself, too.
        ways = (("we", pair.we_call), ("they", pair.they_call))[:1 if name == "both" else 2]
        for by, call in ways:
            before = len(pair.log())
            good, said = call(f"{name}-{by}")
            what = f"rounds, IPv{family}, {name}, {by} call"
            tap.check(f"{what}: the tunnel is up", good, said + pair.log()[before:][-1500:] + pair.peer.log()[-1500:])
            if not good:
                continue
            tap.check(f"{what}: ping passes", pair.site.alice.ping(BOB[4], 2, 0.05) == 2)
            story = pair.log()[before:]
            # How often the peer had to prove itself.
            proofs = len(ROUNDS[name][1 if by == "we" else 0])
            tap.equal(f"{what}: the peer proved itself {proofs} times", len(re.findall(r"authentication of '[^']*' with .* successful", story)), proofs)
            pair.hang_up(f"{name}-{by}")
    pair.stop()


def test(lab, tap):
    if strongswan.missing():
        tap.skip("strongSwan", strongswan.missing())
        return
    site, folder = Sites(lab), os.path.join(lab.dir, "ca")
    each_kind(site, tap, folder, 4)
    without_rfc7427(site, tap)
    chains(site, tap, folder)
    refusals(site, tap, folder)
    each_kind(site, tap, folder, 6)
    several_rounds(site, tap, folder, 4)
    several_rounds(site, tap, folder, 6)


if __name__ == "__main__":
    main(test, "certificates with Debian's strongSwan")
