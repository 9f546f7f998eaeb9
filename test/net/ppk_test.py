#!/usr/bin/python3
"""Post-quantum preshared keys between two Pavises, over IPv4 and IPv6: in IKE_INTERMEDIATE (RFC 9867) with keys that are
being changed, in IKE_AUTH (RFC 8784), and a gateway that does without none.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from lab import main, wait_until
from sites import BOB, Sites

KEYS = {"monday.keys.example": "0x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        "tuesday.keys.example": "0xff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"}


def secrets(*names):
    sections = "".join(f"    ppk-{i} {{\n        id = {name}\n        secret = {KEYS[name]}\n    }}\n"
                       for i, name in enumerate(names))
    return f"secrets {{\n{sections}}}\n"


def start(site, family, ours, theirs):
    """ours, theirs: (lines of the connection, names of the keys) of the client moon and the gateway sun."""
    for host, (conn, names) in ((site.sun, theirs), (site.moon, ours)):
        text = site.config(host.name, outer=family, inner=(4,), ike="aes256-sha256-x25519", conn_extra=conn)
        site.xfrmd[host] = host.xfrmd()
        site.iked[host] = host.iked(text + secrets(*names))


def stop(site):
    for host in (site.moon, site.sun):
        site.iked[host].stop()
        site.xfrmd[host].stop()


OLD, NEW = KEYS
ALL = "ppk_id = *.keys.example\n        ppk_required = yes"


def used(site, tap, family, ours, theirs, line):
    start(site, family, ours, theirs)
    what = f"IPv{family}, {line}"
    done = site.moon.pavise("up", "net-net")
    tap.check(f"{what}: up", done.returncode == 0, done.stdout + done.stderr)
    for host in (site.moon, site.sun):
        tap.check(f"{what}: {host.name} says how", wait_until(lambda: line in host.pavise("status").stdout, 10),
                  host.pavise("status").stdout + site.iked[host].output()[-1500:])
    tap.equal(f"{what}: traffic", site.alice.ping(BOB[4], 2), 2)
    done = site.sun.pavise("rekey", "net-net")
    tap.check(f"{what}: rekeyed", done.returncode == 0, done.stdout + done.stderr)
    tap.check(f"{what}: and still in it", wait_until(lambda: line in site.sun.pavise("status").stdout, 10),
              site.sun.pavise("status").stdout)
    tap.check(f"{what}: traffic", wait_until(lambda: site.alice.ping(BOB[4], 1) == 1, 10), "")
    stop(site)


def refused(site, tap, family):
    what = f"IPv{family}, the gateway wants one, and we have none"
    start(site, family, ("", ()), (ALL, (OLD,)))
    done = site.moon.pavise("up", "net-net")
    tap.check(f"{what}: refused", done.returncode != 0 and "requires a PPK" in site.iked[site.sun].output(),
              done.stdout + done.stderr + site.iked[site.sun].output()[-1500:])
    tap.equal(f"{what}: no SA is left", site.spis(site.sun), set())
    stop(site)


def test(lab, tap):
    site = Sites(lab)
    used(site, tap, 4, (ALL, (OLD, NEW)), ("", (NEW,)), "PPK tuesday.keys.example in all keys (RFC 9867)")
    used(site, tap, 6, (ALL, (OLD, NEW)), (ALL, (OLD,)), "PPK monday.keys.example in all keys (RFC 9867)")
    used(site, tap, 4, (ALL.replace("*", "monday"), (OLD,)), ("", (OLD,)),
         "PPK monday.keys.example in the keys of all traffic (RFC 8784)")
    used(site, tap, 6, (ALL, (OLD,)), (ALL + "\n        ppk_exchange = auth", (NEW, OLD)),
         "PPK monday.keys.example in the keys of all traffic (RFC 8784)")
    refused(site, tap, 4)


if __name__ == "__main__":
    main(test, "post-quantum preshared keys between two Pavises")
