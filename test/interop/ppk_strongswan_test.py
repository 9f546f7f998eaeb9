#!/usr/bin/python3
"""Post-quantum preshared keys (RFC 8784) with Debian's strongSwan, both roles: used, required and not there."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
import strongswan
from lab import main
from sites import BOB, Sites

NAME = "ppk-1"
PPK = f"""
secrets {{
    ppk-one {{
        id = {NAME}
        secret = 0x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
    }}
}}
"""
NAMED = f"ppk_id = {NAME}"
REQUIRED = NAMED + "\n        ppk_required = yes"


def session(site, tap, what, ours, theirs, role, with_key=True, good=True):
    """ours, theirs: (lines of the connection, has the key?)"""
    options = {"encap": True, "inner": (4,), "ike": "aes256-sha256-prfsha256-x25519", "esp": "aes256gcm16"}
    site.xfrmd[site.moon] = site.moon.xfrmd()
    moon = site.config("moon", conn_extra=ours[0], **options) + (PPK if ours[1] else "")
    sun = site.config("sun", conn_extra=theirs[0], **options) + (PPK if theirs[1] else "")
    site.iked[site.moon] = site.moon.iked(moon)
    peer = strongswan.StrongSwan(site.sun, sun)
    if role == "initiator":
        done = site.moon.pavise("up", "net-net")
        up, said = done.returncode == 0, done.stdout + done.stderr
    else:
        said = peer.swanctl("--initiate", "--child", "net-net", "--timeout", "15", check=False)
        up = "initiate completed successfully" in said
    name = f"{what}, we are {role}"
    tap.check(f"{name}: {'up' if good else 'refused'}", up == good, said[-1500:] + peer.log()[-2500:])
    if good and up:
        tap.equal(f"{name}: traffic", site.alice.ping(BOB[4], 2), 2)
        mixed = "have a PPK in them" in site.iked[site.moon].output()
        tap.equal(f"{name}: {'with' if with_key else 'without'} the key", mixed, with_key)
    if good and with_key:
        tap.check(f"{name}: strongSwan says so, too", "PPK" in peer.log(), peer.log()[-1500:])
    for process in (site.iked[site.moon], site.xfrmd[site.moon], peer):
        process.stop()


def test(lab, tap):
    if strongswan.missing():
        tap.skip("strongSwan", strongswan.missing())
        return
    site = Sites(lab)
    both = (REQUIRED, True)
    for role in ("initiator", "responder"):
        session(site, tap, "required by both", both, both, role)
    session(site, tap, "wished by us, they have none", (NAMED, True), ("", False), "initiator", with_key=False)
    session(site, tap, "required by us, they have none", both, ("", False), "initiator", good=False)
    session(site, tap, "required by us, they have none", both, ("", False), "responder", good=False)


if __name__ == "__main__":
    main(test, "post-quantum preshared keys with Debian's strongSwan")
