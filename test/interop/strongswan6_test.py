#!/usr/bin/python3
"""strongSwan 6 as the peer, in both roles: several key exchanges in one negotiation and in rekeyings by
either side (RFC 9370), with ML-KEM where that strongSwan has it. It is taken from a root file system named by STRONGSWAN6_ROOT (for
example one made by debootstrap with the packages charon-systemd and libcharon-extra-plugins)."""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
import strongswan
from lab import main
from sites import ALICE, BOB, Sites

SUITES = [
    "aes256gcm16-prfsha384-x25519-ke1_ecp384",
    "aes128-sha256-ecp256-ke1_x25519-ke2_modp2048",
    "aes256gcm16-prfsha512-x25519-ke1_modp4096-ke3_ecp521",
    "chacha20poly1305-prfsha256-modp6144-ke1_ecp256bp",
    "aes256gcm16-prfsha384-x25519-ke1_mlkem768",
    "aes256gcm16-prfsha384-mlkem1024",
    "aes128gcm16-prfsha256-ecp256-ke1_mlkem512-ke2_modp3072",
    "aes128gcm16-prfsha256-x25519-ke1_x448",
    "default",
]


def has_mlkem(peer):
    return "ML_KEM" in peer.swanctl("--list-algs")


def esp_of(suite):
    """The same key exchanges for child SAs."""
    methods = [word for word in suite.split("-") if word not in ("aes256gcm16", "aes128gcm16", "chacha20poly1305", "aes128")
               and not word.startswith(("prf", "sha"))]
    return "default" if suite == "default" else "-".join(["aes128gcm16", *methods])


def rekeyings(site, tap, name, peer):
    for what, option in (("net-net", "--child"), ("sites", "--ike")):
        done = site.moon.pavise("rekey", what)
        tap.check(f"{name}: we rekey {what}", done.returncode == 0, done.stdout + done.stderr)
        time.sleep(0.4)
        said = peer.swanctl("--rekey", option, what, check=False)
        tap.check(f"{name}: strongSwan rekeys {what}", "rekey completed successfully" in said, said + peer.log()[-2000:])
        time.sleep(0.4)
        got = site.alice.ping(BOB[4], 3, 0.05), site.bob.ping(ALICE[4], 3, 0.05)
        tap.check(f"{name}: ping passes after it", got == (3, 3), f"got {got}")


def session(site, tap, suite, role, root):
    """Pavise on moon, strongSwan on sun; `role` is ours."""
    name = f"{suite}, we are {role}"
    options = {"ike": suite, "esp": esp_of(suite), "encap": True, "inner": (4,)}
    peer = strongswan.StrongSwan(site.sun, site.config("sun", **options), root=root)
    if "mlkem" in suite and not has_mlkem(peer):
        tap.skip(name, "this strongSwan has no ML-KEM")
        peer.stop()
        return
    site.xfrmd[site.moon] = site.moon.xfrmd()
    site.iked[site.moon] = site.moon.iked(site.config("moon", **options))
    if role == "initiator":
        done = site.moon.pavise("up", "net-net")
        good, detail = done.returncode == 0, done.stdout + done.stderr
    else:
        detail = peer.swanctl("--initiate", "--child", "net-net", check=False)
        good = "initiate completed successfully" in detail
    tap.check(f"{name}: tunnel is up", good, detail + peer.log()[-3000:])
    got = site.alice.ping(BOB[4], 3, 0.05), site.bob.ping(ALICE[4], 3, 0.05)
    tap.check(f"{name}: ping passes both ways", got == (3, 3), f"got {got}")
    rekeyings(site, tap, name, peer)
    if "-ke1_" in suite:
        tap.check(f"{name}: the rekeyings had IKE_FOLLOWUP_KE", "IKE_FOLLOWUP_KE" in peer.log(), peer.log()[-2000:])
    site.iked[site.moon].stop()
    site.xfrmd[site.moon].stop()
    peer.stop()


def test(lab, tap):
    root = os.environ.get("STRONGSWAN6_ROOT", "")
    if not root or not os.path.exists(root + strongswan.CHARON):
        tap.skip("strongSwan 6", "STRONGSWAN6_ROOT names no root file system with charon-systemd")
        return
    site = Sites(lab)
    for suite in SUITES:
        for role in ("initiator", "responder"):
            session(site, tap, suite, role, root)


if __name__ == "__main__":
    main(test, "interop with strongSwan 6")
