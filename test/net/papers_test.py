#!/usr/bin/python3
"""What travels with certificates, or stands in them, between two Pavises: OCSP answers in IKE (RFC 4806) for a client that
reaches no server itself, and IP address blocks (RFC 3779), which no selector passes.

    alice - moon - cafe (OCSP 2560) - sun - bob        moon is the client, sun the gateway
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../interop")]
from lab import main, wait_until
from sites import BOB, OUTER, Sites
from strongswan_cert_test import KINDS, Authority, put
from web_test import index

CONN = """\
connections {{
    net {{
        local_addrs = {local}
        remote_addrs = {remote}
        {conn}
        local {{
            id = {me}.example.org
        }}
        remote {{
            id = {peer}.example.org
            {remotely}
        }}
        children {{
            net {{
                local_ts = {local_ts}
                remote_ts = {remote_ts}
            }}
        }}
    }}
}}
{more}
"""
SERVER = "authorities {\n    root {\n        cacert = root.pem\n        ocsp_uris = http://192.0.2.254:2560\n    }\n}\n"


def start(site, host, *words, **options):
    moon = host is site.moon
    outer = OUTER[4] if moon else OUTER[4][::-1]
    o = {"conn": "", "remotely": "", "more": "", "local_ts": "10.1.0.0/16" if moon else "10.2.0.0/16",
         "remote_ts": "10.2.0.0/16" if moon else "10.1.0.0/16", **options}
    if host in site.iked:
        site.iked[host].stop()
    site.iked[host] = host.iked(CONN.format(local=outer[0], remote=outer[1], me=host.name,
                                            peer="sun" if moon else "moon", **o), *words)


def up(site):
    done = site.moon.pavise("up", "net")
    return done.returncode == 0, done.stdout + done.stderr + site.iked[site.sun].output()[-1500:]


def answers_in_ike(site, tap):
    """moon is strict and reaches no server; sun asks for it, if it may."""
    for ocsp, good in (("reply", True), ("never", False)):
        start(site, site.sun, conn=f"ocsp = {ocsp}", more=SERVER)
        start(site, site.moon, conn="ocsp = request", remotely="revocation = strict")
        came, said = up(site)
        heard = "received OCSP response issued by" in site.iked[site.moon].output()
        tap.check(f"ocsp = {ocsp} at the gateway: {'an answer comes along' if good else 'refused'}",
                  came == good and heard == good, said)
        if not good:
            tap.check("and why is said", "`revocation` is strict" in said, said)
            continue
        tap.check("ping passes", site.alice.ping(BOB[4], 2, 0.05) == 2)
        listed = site.sun.swanctl("--list-certs", "--type", "ocsp_response", "--raw").stdout
        tap.check("the gateway lists the answer", "type=OCSP_RESPONSE" in listed, listed)
        site.moon.pavise("down", "net")


def policies(host):
    return host.ip_xfrm("xfrm policy list").stdout


def blocks(site, tap):
    """What moon's certificate says it has is what it gets."""
    start(site, site.sun, remote_ts="0.0.0.0/0")
    start(site, site.moon, local_ts="10.0.0.0/14")
    came, said = up(site)
    tap.check("too much is asked for: the tunnel is up", came, said)
    have = policies(site.sun)
    tap.check("and narrowed to the certificate's block",
              wait_until(lambda: "src 10.1.0.0/16" in policies(site.sun), 5) and "10.0.0.0/14" not in have, have)
    tap.check("ping passes", site.alice.ping(BOB[4], 2, 0.05) == 2)
    site.moon.pavise("down", "net")
    start(site, site.moon, local_ts="10.3.0.0/16")
    came, said = up(site)
    tap.check("addresses of somebody else are refused, and why is said",
              not came and "certificate is good for 10.1.0.0/16" in said, said)
    tap.check("and nothing of them is in the executor", "10.3." not in policies(site.sun), policies(site.sun))


def none(site, tap):
    """moon's certificate says nothing of addresses; its authority's does."""
    for strict in ("yes", "no"):
        conf = site.sun.file("strongswan.conf", "charon {\n    plugins {\n        addrblock {\n            "
                             f"strict = {strict}\n        }}\n    }}\n}}\n")
        start(site, site.sun, "--strongswan-conf", conf, remote_ts="0.0.0.0/0")
        start(site, site.moon, local_ts="10.1.0.0/16")
        came, said = up(site)
        if strict == "yes":
            tap.check("without blocks below an authority that has some: refused, and why is said",
                      not came and "has no IP address blocks" in said, said)
        else:
            tap.check("addrblock.strict = no: the tunnel is up", came, said)
            tap.check("ping passes", site.alice.ping(BOB[4], 2, 0.05) == 2)


def test(lab, tap):
    site, root = Sites(lab), Authority(os.path.join(lab.dir, "ca"), "root")
    bound = Authority(os.path.join(lab.dir, "bound"), "bound")
    bound.make("bound", KINDS["p256"][0], "/CN=bound", None,
               ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign", "subjectKeyIdentifier=hash",
                "sbgp-ipAddrBlock=critical,IPv4:10.0.0.0/8,IPv4:192.0.2.0/24"], 30)
    root.host("sun")
    root.host("moon")
    bound.make("bare", KINDS["p256"][0], "/CN=moon", bound, ["subjectAltName=DNS:moon.example.org"], 30)
    bound.make("moon", KINDS["p256"][0], "/CN=moon", bound, ["subjectAltName=DNS:moon.example.org",
               "sbgp-ipAddrBlock=critical,IPv4:10.1.0.0/16,IPv4:192.0.2.1"], 30)
    for host in (site.moon, site.sun):
        put(host, "x509ca", root.path("root.pem"), "root.pem")
        put(host, "x509ca", bound.path("bound.pem"), "bound.pem")
        for end, folder in (("pem", "x509"), ("key", "private")):
            put(host, folder, root.path(f"{host.name}.{end}"), f"{host.name}.{end}")
        site.xfrmd[host] = host.xfrmd()
    index(root, ["sun", "moon"], ())
    ocsp = site.cafe.start(["openssl", "ocsp", "-index", root.path("index.txt"), "-CA", root.path("root.pem"), "-rsigner",
                            root.path("root.pem"), "-rkey", root.path("root.key"), "-port", "2560", "-ndays", "1"], "ocsp")
    site.cafe.nft(f"table ip far {{\n chain in {{\n type filter hook input priority 0\n ip saddr {OUTER[4][0]} "
                  "tcp dport 2560 reject\n }\n}")
    wait_until(lambda: "waiting for" in ocsp.output().lower(), 10)
    answers_in_ike(site, tap)
    ocsp.stop()
    for end, folder in (("pem", "x509"), ("key", "private")):
        put(site.moon, folder, bound.path(f"moon.{end}"), f"moon.{end}")
    blocks(site, tap)
    for end, folder in (("pem", "x509"), ("key", "private")):
        put(site.moon, folder, bound.path(f"bare.{end}"), f"moon.{end}")
    none(site, tap)


if __name__ == "__main__":
    main(test, "what travels with certificates")
