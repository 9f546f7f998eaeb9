#!/usr/bin/python3
"""Debian's strongSwan with user-space ESP as the peer, in both roles: PSK, ping, TCP, rekeying of both
SAs by either side, and deletion, over UDP encapsulation. The short run has each suite in one role, and each role with
every other suite; PAVISE_FULL=1 has all."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
import strongswan
from lab import main, wait_until
from sites import ALICE, BOB, Sites
from traffic import tcp

FULL = os.environ.get("PAVISE_FULL") == "1"
SUITES = [  # IKE proposal, ESP proposal
    ("aes128gcm16-prfsha256-x25519", "aes128gcm16"),
    ("aes256gcm16-prfsha384-ecp384", "aes256gcm16-ecp256"),
    ("aes128-sha256-modp2048", "aes128-sha256-modp2048"),
    ("aes256-sha512-ecp521", "aes256-sha512"),
    ("chacha20poly1305-prfsha256-x25519", "chacha20poly1305-x25519"),
    ("default", "default"),
]


def passes(site, tap, name):
    """Both ways, at the second try at the latest: a charon that is short of time still sends by SAs that it has deleted."""
    got = [(site.alice.ping(BOB[4], 3, 0.05), site.bob.ping(ALICE[4], 3, 0.05))]
    if got != [(3, 3)]:
        got.append((site.alice.ping(BOB[4], 3, 0.05), site.bob.ping(ALICE[4], 3, 0.05)))
    dropped = {word: count for word, count in site.moon.xfrm_stat().items() if count and word != "no-sa"}
    tap.check(f"{name}: ping passes both ways", got[-1] == (3, 3) and not dropped, f"got {got}; dropped by us so far: {dropped}")


def session(lab_site, tap, ike, esp, role):
    """Pavise on moon, strongSwan on sun; `role` is ours."""
    site, name = lab_site, f"{ike} / {esp}, we are {role}"
    options = {"ike": ike, "esp": esp, "encap": True, "inner": (4,)}
    site.xfrmd[site.moon] = site.moon.xfrmd()
    site.iked[site.moon] = site.moon.iked(site.config("moon", **options))
    peer = strongswan.StrongSwan(site.sun, site.config("sun", **options))
    if role == "initiator":
        done = site.moon.pavise("up", "net-net")
        good, detail = done.returncode == 0, done.stdout + done.stderr
    else:
        detail = peer.swanctl("--initiate", "--child", "net-net", check=False)
        good = "initiate completed successfully" in detail
    if tap.check(f"{name}: tunnel is up", good, detail + peer.log()[-2000:]):
        passes(site, tap, name)
        tap.check(f"{name}: TCP passes", tcp(site.alice, site.bob, BOB[4]) > 10e6)
        rekeying(site, tap, name, peer)
        goodbye(site, tap, name, peer, role)
    site.iked[site.moon].stop()
    site.xfrmd[site.moon].stop()
    peer.process.stop()
    os.unlink(peer.vici) if os.path.exists(peer.vici) else None


def rekeying(site, tap, name, peer):
    for what, option in (("net-net", "--child"), ("sites", "--ike")):
        done = site.moon.pavise("rekey", what)
        tap.check(f"{name}: we rekey {what}", done.returncode == 0, done.stdout + done.stderr)
        passes(site, tap, f"{name}: after our rekey of {what}")
        said = peer.swanctl("--rekey", option, what, check=False)
        tap.check(f"{name}: strongSwan rekeys {what}", "rekey completed successfully" in said, said)
        passes(site, tap, f"{name}: after strongSwan's rekey of {what}")


def goodbye(site, tap, name, peer, role):
    if role == "initiator":
        done = site.moon.pavise("down", "sites")
        tap.check(f"{name}: we close", done.returncode == 0, done.stdout + done.stderr)
    else:
        said = peer.swanctl("--terminate", "--ike", "sites", check=False)
        tap.check(f"{name}: strongSwan closes", "terminate completed successfully" in said, said)
    gone = wait_until(lambda: not site.spis(site.moon) and not peer.swanctl("--list-sas").strip(), 5)
    tap.check(f"{name}: no SA is left on either side", gone, peer.swanctl("--list-sas"))


def wrong_secret(site, tap):
    site.xfrmd[site.moon] = site.moon.xfrmd()
    site.iked[site.moon] = site.moon.iked(site.config("moon", encap=True, inner=(4,), secret="not the one"))
    peer = strongswan.StrongSwan(site.sun, site.config("sun", encap=True, inner=(4,)))
    done = site.moon.pavise("up", "net-net")
    tap.check("a wrong secret: refused, and the reason is said", done.returncode != 0
              and "AUTHENTICATION_FAILED" in done.stdout + done.stderr, done.stdout + done.stderr)
    said = peer.swanctl("--initiate", "--child", "net-net", check=False)
    tap.check("a wrong secret: strongSwan is refused by us", "AUTH_FAILED" in said, said)
    tap.equal("a wrong secret: no SA", site.spis(site.moon), set())
    site.iked[site.moon].stop()
    site.xfrmd[site.moon].stop()
    peer.process.stop()


def test(lab, tap):
    if strongswan.missing():
        tap.skip("strongSwan", strongswan.missing())
        return
    site = Sites(lab)
    roles = ("initiator", "responder")
    for number, (ike, esp) in enumerate(SUITES):
        for role in roles if FULL else roles[number % 2:][:1]:
            session(site, tap, ike, esp, role)
    wrong_secret(site, tap)


if __name__ == "__main__":
    main(test, "interop with Debian's strongSwan")
