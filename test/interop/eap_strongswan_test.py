#!/usr/bin/python3
"""EAP with Debian's strongSwan, as client and as gateway: MD5, MSCHAPv2 and TLS behind the gateway's
certificate, TLS and TTLS alone (RFC 5998), and who has the wrong password."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
import strongswan
import strongswan_cert_test as certs
from lab import main, wait_until
from sites import BOB, OUTER, Sites

FULL = os.environ.get("PAVISE_FULL")
PLUGINS = "libstrongswan-eap-{}.so"
LOAD = ("load = random nonce openssl pem pkcs1 pkcs8 x509 constraints pubkey kdf curve25519 hmac sha1 sha2 md5 aes gcm mgf1 "
        "chapoly kernel-libipsec kernel-netlink socket-default vici updown eap-identity eap-md5 eap-tls eap-ttls{}\n")
METHODS = {  # name: method, does EAP prove the gateway, too?
    "md5": ("eap-md5", False), "mschapv2": ("eap-mschapv2", False), "tls": ("eap-tls", False),
    "tls-only": ("eap-tls", True), "ttls-only": ("eap-ttls", True)}


def sections(name, me, client):
    method, alone = METHODS[name]
    gate = f"{'sun' if (me == 'moon') == client else 'moon'}-gate"
    if client:
        cert = f"certs = {me}-{name}.pem" if method == "eap-tls" else ""
        return (f"local {{\n auth = {method}\n id = {me}-{name}@example.org\n {cert}\n }}\n"
                f"remote {{\n auth = {method if alone else 'pubkey'}\n id = {gate}.example.org\n }}\n")
    return (f"local {{\n auth = {method if alone else 'pubkey'}\n id = {me}-gate.example.org\n certs = {me}-gate.pem\n }}\n"
            f"remote {{\n auth = {method}\n id = {'sun' if me == 'moon' else 'moon'}-{name}@example.org\n eap_id = %any\n }}\n")


def config(me, names, password="Ar3etTnp, twice"):
    """NAME-we: moon calls; NAME-they: sun calls."""
    outer, inner = OUTER[4], ("10.1.0.0/16", "10.2.0.0/16")
    side, text, secrets = (0 if me == "moon" else 1), "", ""
    for name in names:
        for by in ("we", "they"):
            client = (me == "moon") == (by == "we")
            text += (f"{name}-{by} {{\n local_addrs = {outer[side]}\n remote_addrs = {outer[1 - side]}\n encap = yes\n"
                     f"{sections(name, me, client)}"
                     f"children {{ {name}-{by}-net {{\n local_ts = {inner[side]}\n remote_ts = {inner[1 - side]}\n }} }}\n }}\n")
        for host in ("moon", "sun"):
            word = password if host == me else "Ar3etTnp, twice"
            secrets += f"eap-{host}-{name} {{\n id = {host}-{name}@example.org\n secret = \"{word}\"\n }}\n"
    return f"connections {{\n{text}}}\nsecrets {{\n{secrets}}}\n"


def papers(site, folder):
    root = certs.Authority(folder, "eap-root")
    for host, me in ((site.moon, "moon"), (site.sun, "sun")):
        root.host(f"{me}-gate", "rsa")
        certs.give(host, root, f"{me}-gate")
        for name in ("tls", "tls-only"):
            root.make(f"{me}-{name}", certs.KINDS["p256"][0], f"/C=CH/O=Pavise test/CN={me}-{name}", root,
                      [f"subjectAltName=email:{me}-{name}@example.org"], 30)
            certs.give(host, root, f"{me}-{name}")
        certs.put(host, "x509ca", root.path("eap-root.pem"), "eap-root.pem")


class Pair(certs.Pair):
    def __init__(self, site, ours, theirs, extra):
        self.site = site
        site.xfrmd[site.moon] = site.moon.xfrmd()
        site.iked[site.moon] = site.moon.iked(ours)
        self.peer = strongswan.StrongSwan(site.sun, theirs, extra=extra)


def works(pair, tap, name):
    for by, call in (("we", pair.we_call), ("they", pair.they_call)):
        before = len(pair.log())
        good, said = call(f"{name}-{by}")
        what = f"{name}, {by} call"
        tap.check(f"{what}: the tunnel is up", good, said + pair.log()[before:][-2500:] + pair.peer.log()[-2500:])
        if not good:
            continue
        tap.check(f"{what}: ping passes", pair.site.alice.ping(BOB[4], 2, 0.05) == 2)
        story = pair.log()[before:]
        tap.check(f"{what}: EAP is told", "with EAP successful" in story and "EAP method EAP_" in story, story)
        tap.check(f"{what}: alone or not", ("EAP-only" in story) == METHODS[name][1], story)
        pair.hang_up(f"{name}-{by}")


def test(lab, tap):
    if strongswan.missing():
        tap.skip("strongSwan", strongswan.missing())
        return
    has = [os.path.exists("/usr/lib/ipsec/plugins/" + PLUGINS.format(n)) for n in ("md5", "tls", "ttls", "identity", "mschapv2")]
    if not all(has[:4]):
        tap.skip("strongSwan", "its plugins for EAP are missing (package libcharon-extra-plugins)")
        return
    names = [n for n in METHODS if (has[4] or n != "mschapv2") and (FULL or n != "tls-only")]
    if not has[4]:
        tap.skip("MSCHAPv2", "strongSwan's plugin is missing (package libcharon-extauth-plugins)")
    site = Sites(lab)
    papers(site, os.path.join(lab.dir, "ca"))
    extra = LOAD.format(" eap-mschapv2" if has[4] else "")
    pair = Pair(site, config("moon", names), config("sun", names), extra)
    for name in names:
        works(pair, tap, name)
    pair.stop()
    pair = Pair(site, config("moon", names, "another one"), config("sun", names), extra)
    # strongSwan waits two seconds before it refuses MSCHAPv2.
    for name in [n for n in names if n == "md5" or (n == "mschapv2" and FULL)]:
        good, said = pair.we_call(f"{name}-we")
        tap.check(f"{name}, wrong password: we are refused and say so", not good and "does not believe us" in said, said)
    tap.equal("no SA", site.spis(site.moon), set())
    pair.stop()


if __name__ == "__main__":
    main(test, "EAP with Debian's strongSwan")
