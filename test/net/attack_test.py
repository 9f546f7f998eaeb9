#!/usr/bin/python3
"""Somebody on the path changes, repeats, invents and injects packets: none gets in, each is counted,
and the tunnel works on. UDP and raw ESP."""
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire
from lab import main
from sites import BOB, Sites

SEED = 20251121  # the same attacks in every run


def caught_packet(site):
    """An ESP packet of alice that the cafe has stopped and sun has not seen."""
    site.cafe.nft(wire.STOP)
    ear = wire.listen(site.cafe, "eth0", "esp", 5)
    site.alice.try_run(["ping", "-n", "-c", "1", "-W", "1", BOB[4]])
    packet = ear.packet()
    site.cafe("nft delete table inet cafe")
    return packet


def inject(site, packets, seconds=1.0):
    """Sends to sun; what bob saw of it (None is good) and what was counted."""
    before = site.sun.xfrm_stat()
    ear = wire.listen(site.bob, "eth0", "any", seconds)
    wire.send(site.cafe, "eth1", site.mac, *packets)
    seen = ear.packet()
    after = site.sun.xfrm_stat()
    return seen, {w: n - before.get(w, 0) for w, n in after.items() if n != before.get(w, 0)}


def attack(site, tap, name, word, packets):
    seen, counted = inject(site, packets)
    tap.check(f"{name}: nothing reaches bob", seen is None, seen)
    tap.equal(f"{name}: all counted as {word}", counted, {word: len(packets)})


def round_of_attacks(site, tap, kind):
    rng = random.Random(SEED)
    packet = caught_packet(site)
    if not tap.check(f"{kind}: the cafe holds a packet", packet is not None):
        return
    spi, number = wire.esp(packet)
    bits = 8 * (len(packet) - wire.esp_offset(packet))
    # Not the header: other SPIs and numbers have attacks of their own below.
    flips = [wire.flipped(packet, rng.randrange(64, bits)) for _ in range(50)]
    attack(site, tap, f"{kind}: 50 packets with one bit flipped", "auth", flips)
    ear = wire.listen(site.bob, "eth0", "any", 3)
    wire.send(site.cafe, "eth1", site.mac, packet)
    tap.check(f"{kind}: the unchanged packet is still accepted", ear.packet() is not None)
    attack(site, tap, f"{kind}: 20 replays", "replay", [packet] * 20)
    numbers = [wire.changed(packet, 4, (number + rng.randrange(1, 1 << 20)).to_bytes(4, "big")) for _ in range(20)]
    attack(site, tap, f"{kind}: 20 packets with other sequence numbers", "auth", numbers)
    tap.equal(f"{kind}: forged numbers have not moved the window: ping passes", site.alice.ping(BOB[4], 5, 0.02), 5)
    strays = [wire.changed(packet, 0, rng.randrange(256, 1 << 32).to_bytes(4, "big")) for _ in range(20)]
    strays = [p for p in strays if wire.esp(p)[0] != spi]
    attack(site, tap, f"{kind}: packets with unknown SPIs", "no-sa", strays)
    noise = [wire.changed(packet, 8, rng.randbytes(len(packet) - wire.esp_offset(packet) - 8)) for _ in range(20)]
    noise = [wire.changed(p, 4, (number + 5000 + i).to_bytes(4, "big")) for i, p in enumerate(noise)]
    attack(site, tap, f"{kind}: random bytes under the right SPI", "auth", noise)
    clear_text(site, tap, kind)
    tap.equal(f"{kind}: the tunnel works on", site.alice.ping(BOB[4], 5, 0.02), 5)


def clear_text(site, tap, kind):
    for name, packet in (("ICMP", wire.ipv4_icmp_echo("10.1.0.10", "10.2.0.10")),
                         ("UDP", wire.ipv4_udp("10.1.0.10", "10.2.0.10", 1000, 2000, b"in clear")),
                         ("UDP to the gateway itself", wire.ipv4_udp("10.1.0.10", "10.2.0.1", 1000, 2000, b"in clear"))):
        ear = wire.listen(site.bob, "eth0", "any", 1)
        answer = wire.listen(site.cafe, "eth1", "any", 1)
        wire.send(site.cafe, "eth1", site.mac, packet)
        tap.check(f"{kind}: {name} in clear in alice's name does not get in", ear.packet() is None)
        tap.check(f"{kind}: {name} in clear gets no answer", answer.packet() is None)


def test(lab, tap):
    site = Sites(lab)
    site.mac = wire.mac_of(site.sun, "eth0")
    for host in (site.cafe, site.sun):  # no stray neighbour discovery or router packets among the checks
        host.sysctl(net__ipv6__conf__all__accept_ra=0)
    for kind, encap in (("UDP", True), ("raw ESP", False)):
        site.start(encap=encap, inner=(4,))
        site.up()
        tap.equal(f"{kind}: the tunnel is up", site.alice.ping(BOB[4], 3, 0.02), 3)
        round_of_attacks(site, tap, kind)
        for daemons in (site.iked, site.xfrmd):
            for process in daemons.values():
                process.stop()


if __name__ == "__main__":
    main(test, "attacks from the path")
