#!/usr/bin/python3
"""moon is behind a NAT: detected, moved to port 4500, ESP in UDP, keepalives keep the mapping alive,
sun does not know moon's address beforehand."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire
from lab import main
from sites import ALICE, BOB, Sites


def test(lab, tap):
    site = Sites(lab, nat=True)
    site.start(inner=(4,), remote_any=True)
    story = site.up()
    tap.check("moon says that a NAT is in between", "local host is behind NAT" in story, story)
    tap.equal("ping passes", site.alice.ping(BOB[4], 5, 0.02), 5)
    tap.equal("ping the other way passes", site.bob.ping(ALICE[4], 3, 0.02), 3)
    state = site.sun.ip_xfrm("xfrm state list nokeys").stdout
    tap.check("sun encapsulates in UDP towards the NAT's address", "encap type espinudp sport 4500" in state
              and "198.51.100.254" in state, state)
    for what in ("net-net", "sites"):
        tap.equal(f"moon rekeys {what} through the NAT", site.moon.pavise("rekey", what).returncode, 0)
        tap.equal(f"sun rekeys {what} through the NAT", site.sun.pavise("rekey", what).returncode, 0)
        time.sleep(0.5)
        tap.equal("ping passes", site.alice.ping(BOB[4], 3, 0.02), 3)
    ear = wire.listen(site.cafe, "eth0", "any", 25)
    packet = ear.packet()
    tap.check("a NAT keepalive comes within 25 s of silence", packet is not None and packet[-1] == 0xff
              and len(packet) == 29, packet and packet.hex())


if __name__ == "__main__":
    main(test, "NAT traversal")
