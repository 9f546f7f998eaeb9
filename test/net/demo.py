#!/usr/bin/python3
"""demo - the main job of Pavise, visible, and true: every sentence with a mark is checked.

`./dev demo` runs it. With --tap it prints a test's output, so that the story stays true. If any
check fails the story says so and the exit status is 1.
"""
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab as lab_module
import wire
from lab import Lab
from traffic import capture, iperf, received

PICTURE = """\
     alice            moon                 café                  sun              bob
   10.1.0.10 ────── 10.1.0.1           (an open field)         10.2.0.1 ────── 10.2.0.10
                    192.0.2.1 ────── hears and sends all ────── 198.51.100.1
                    pavise-iked                                 pavise-iked
                    pavise-xfrmd ═════════ ESP tunnel ═════════ pavise-xfrmd
"""

CONFIG = """\
connections {{
    sites {{
        local_addrs = {local}
        remote_addrs = {remote}
        local {{
            auth = psk
            id = {me}.example.org
        }}
        remote {{
            auth = psk
            id = {peer}.example.org
        }}
        children {{
            net-net {{
                local_ts = {local_net}
                remote_ts = {remote_net}
            }}
        }}
    }}
}}
secrets {{
    ike-sites {{
        id-moon = moon.example.org
        id-sun = sun.example.org
        secret = "what the crossbowman whispered behind the shield"
    }}
}}
"""


class Story:
    """Prints for people, or as TAP; counts what was not true."""

    def __init__(self, tap):
        self.tap, self.count, self.bad = tap, 0, 0
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ and not tap

    def paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def line(self, text=""):
        for part in str(text).split("\n"):
            print(("# " if self.tap else "") + part, flush=True)

    def title(self, text):
        self.line()
        self.line(self.paint("1;36", f"── {text} " + "─" * max(0, 92 - len(text))))

    def say(self, text):
        self.line("   " + text)

    def quote(self, text, limit=60):
        """What a program printed, indented."""
        lines = text.rstrip("\n").split("\n")
        for part in lines[:limit]:
            self.line(self.paint(2, "   │ ") + part)
        if len(lines) > limit:
            self.line(self.paint(2, f"   │ … {len(lines) - limit} more lines"))

    def check(self, what, good, detail=""):
        self.count += 1
        self.bad += not good
        if self.tap:
            print(f"{'ok' if good else 'not ok'} {self.count} - {what}", flush=True)
        else:
            self.line("   " + (self.paint(32, "✔ ") if good else self.paint("1;31", "✘ NOT TRUE: ")) + what)
        if not good and detail:
            self.quote(str(detail), 30)
        return good


def gbit(host_from, host_to, address, seconds=2):
    """Throughput of one TCP stream in Gbit/s."""
    return received(iperf(host_from, host_to, address, "-t", seconds)) / 1e9


def tshark(host, pcap, *options):
    done = host.try_run(["tshark", "-n", "-r", pcap, *options], timeout=30)
    return done.stdout


def start(story, moon, sun):
    story.title("1. Two gateways, two daemons each")
    story.line(PICTURE)
    story.say("moon's whole configuration is strongSwan's swanctl.conf; sun's is the mirror image:")
    config = {
        moon: CONFIG.format(local="192.0.2.1", remote="198.51.100.1", me="moon", peer="sun",
                            local_net="10.1.0.0/16", remote_net="10.2.0.0/16"),
        sun: CONFIG.format(local="198.51.100.1", remote="192.0.2.1", me="sun", peer="moon",
                           local_net="10.2.0.0/16", remote_net="10.1.0.0/16"),
    }
    story.quote(re.sub(r'secret = ".*"', 'secret = "…"', config[moon]))
    daemons = {}
    for host in (moon, sun):
        options = ["--keylog", host.dir] if host is moon else []
        daemons[host] = (host.xfrmd(), host.iked(config[host], *options))
    story.check("pavise-xfrmd and pavise-iked run on moon and on sun", True)
    return daemons


def negotiate(story, moon, cafe, sun, iked):
    story.title("2. The negotiation, as moon tells it (pavise up net-net)")
    ear = capture(cafe, "eth0", "ike.pcapng")
    done = moon.pavise("up", "net-net")
    story.quote(done.stdout)
    story.check("the tunnel is up: four messages, two round trips", done.returncode == 0, done.stderr)
    story.say("sun's side of it, from its log:")
    story.quote("\n".join(line.split(" ", 1)[1] for line in iked.output().split("\n") if " sites[" in line))
    story.say("The same four messages as the café saw them. It learns who talks, not what is said:")
    story.quote(tshark(cafe, ear(), "-Y", "isakmp"))


def explain(story, moon):
    story.title("3. What the negotiation led to (pavise xfrm explain)")
    story.say("xfrm is Linux' word for “transform”: what happens to packets on their way. Policies say which")
    story.say("packets need protection, states (security associations, SAs) hold the keys for it.")
    done = moon.try_run([lab_module.PAVISE, "xfrm", "explain"])
    story.quote(done.stdout, 90)
    stock = moon.ip_xfrm("xfrm state list nokeys")
    spis = set(re.findall(r"spi (0x[0-9a-f]+)", stock.stdout))
    story.check("stock `ip xfrm state` shows the same two SAs",
                len(spis) == 2 and all(s in done.stdout for s in spis), stock.stdout + stock.stderr)


def protected_ping(story, alice, moon, cafe, bob):
    story.title("4. A ping, inside and outside")
    outside, inside = capture(cafe, "eth0", "esp.pcapng"), capture(bob, "eth0", "inner.pcapng")
    done = alice.try_run(["ping", "-n", "-c", "3", "-i", "0.2", "-p", "70617669736521", "10.2.0.10"])
    out, inn = outside(), inside()
    story.say("alice:")
    story.quote(done.stdout)
    story.check("alice reaches bob", " 0% packet loss" in done.stdout)
    story.say("what the café sees (tshark):")
    story.quote(tshark(cafe, out, "-Y", "esp"), 6)
    with open(out, "rb") as file:
        raw = file.read()
    story.check("not one byte of the ping's pattern crosses the café in clear", b"pavise!" not in raw)
    story.check("the café sees no ICMP at all", tshark(cafe, out, "-Y", "icmp").strip() == "")
    story.say("what bob sees (tshark):")
    story.quote(tshark(bob, inn, "-Y", "icmp"), 6)
    decrypted = decrypt(moon, out)
    story.say("and the café's capture again, with the keys that moon logged (--keylog): tshark decrypts our ESP")
    story.quote(decrypted, 6)
    story.check("an independent decoder agrees with every byte", decrypted.count("Echo (ping) request") == 3, decrypted)


def decrypt(moon, pcap):
    """tshark with the ESP SAs of moon's key log."""
    options = ["-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE"]
    try:
        with open(os.path.join(moon.dir, "esp_sa"), encoding="utf-8") as file:
            for line in file:
                if line.strip() and not line.startswith("#"):
                    options += ["-o", "uat:esp_sa:" + line.strip()]
    except FileNotFoundError:
        return ""
    return tshark(moon, pcap, *options, "-Y", "icmp")


def dropped(host, word):
    return host.xfrm_stat().get(word, 0)


def attack(story, name, host, word, packets, cafe, bob, arrives=False):
    """The café sends packets to sun; they must not arrive and must be counted under `word`."""
    before = dropped(host, word)
    ear = wire.listen(bob, "eth0", "any", 1.2)
    wire.send(cafe, "eth1", wire.mac_of(host, "eth0"), *packets)
    seen = ear.packet()
    counted = dropped(host, word) - before
    story.check(f"{name}: dropped, counted under “{word}” ({counted})", counted == len(packets) and not seen,
                f"counted {counted} of {len(packets)}; bob saw {seen}")


def attacks(story, alice, cafe, sun, bob):
    story.title("5. The café attacks")
    story.say("It stops one of alice's packets on its way and keeps it.")
    cafe.nft(wire.STOP)
    ear = wire.listen(cafe, "eth0", "esp", 4)
    alice.try_run("ping -n -c 1 -W 1 10.2.0.10")
    caught = ear.packet()
    cafe("nft delete table inet cafe")
    if not story.check("the café holds a real ESP packet that sun has not seen yet", caught is not None):
        return
    spi, number = wire.esp(caught)
    story.say(f"SPI 0x{spi:08x}, sequence number {number}, {len(caught)} bytes.")
    attack(story, "one bit of it flipped", sun, "auth", [wire.flipped(caught, 8 * 40 + 3)], cafe, bob)
    ear = wire.listen(bob, "eth0", "any", 3)
    wire.send(cafe, "eth1", wire.mac_of(sun, "eth0"), caught)
    story.check("the packet as alice sent it: accepted, so the flipped bit was the only reason", ear.packet() is not None)
    attack(story, "the same packet once more, and once more", sun, "replay", [caught, caught], cafe, bob)
    ahead = wire.changed(caught, 4, (number + 7).to_bytes(4, "big"))
    attack(story, "the same packet with a fresh sequence number", sun, "auth", [ahead], cafe, bob)
    stray = wire.changed(caught, 0, (spi ^ 0x55555555).to_bytes(4, "big"))
    attack(story, "a forged packet for an SA that does not exist", sun, "no-sa", [stray], cafe, bob)
    clear_text(story, cafe, sun, bob)
    story.check("and alice still reaches bob", alice.ping("10.2.0.10", 3) == 3)


def clear_text(story, cafe, sun, bob):
    """Injection of what should have been protected: the guard in front of the host counts it."""
    def count():
        total = 0
        stat = sun.try_run("cat /proc/net/xfrm_stat").stdout
        for word in ("XfrmInTmplMismatch", "XfrmInNoPols", "XfrmInPolBlock"):
            found = re.search(word + r"\s+(\d+)", stat)
            total += int(found[1]) if found else 0
        rules = sun.try_run("nft list ruleset").stdout
        return total + sum(int(n) for n in re.findall(r"counter packets (\d+)", rules))
    before = count()
    ear = wire.listen(bob, "eth0", "any", 1.2)
    wire.send(cafe, "eth1", wire.mac_of(sun, "eth0"), wire.ipv4_icmp_echo("10.1.0.10", "10.2.0.10"))
    seen = ear.packet()
    story.check("a clear-text packet in alice's name: dropped before the host saw it, counted by the guard",
                not seen and count() > before, f"bob saw {seen}; guard counted {count() - before}")


def restart(story, alice, moon, daemons):
    story.title("6. The diplomat dies and comes back; the packets do not notice")
    flood = alice.start(["ping", "-n", "-q", "-i", "0.005", "-c", "800", "-W", "2", "10.2.0.10"], "flood")
    time.sleep(1)
    iked = daemons[moon][1]
    iked.stop(signal.SIGKILL)
    story.say("kill -9 pavise-iked on moon, in the middle of 800 pings, 200 a second …")
    time.sleep(0.7)
    os.unlink(moon.vici)
    with open(os.path.join(moon.dir, "swanctl.conf"), encoding="utf-8") as file:
        daemons[moon] = (daemons[moon][0], moon.iked(file.read(), "--keylog", moon.dir))
    again = moon.pavise("up", "net-net")
    story.say("… started again, and the tunnel negotiated anew (pavise up net-net) while the pings go on.")
    flood.popen.wait(30)
    result = re.search(r"(\d+) packets transmitted, (\d+) received", flood.output())
    sent, received = (int(result[1]), int(result[2])) if result else (0, -1)
    story.check(f"{sent} pings sent, {received} answered: none lost", sent == received == 800 and again.returncode == 0,
                flood.output() + again.stdout + again.stderr)


def encapsulate(moon, sun, daemons):
    """The same tunnel with encap = yes."""
    for host in (moon, sun):
        daemons[host][1].stop()
        with open(os.path.join(host.dir, "swanctl.conf"), encoding="utf-8") as file:
            config = file.read().replace("    sites {\n", "    sites {\n        encap = yes\n")
        daemons[host] = (daemons[host][0], host.iked(config))
    return moon.pavise("up", "net-net").returncode == 0


def throughput(story, alice, moon, sun, bob, daemons, plain):
    story.title("7. How fast")
    tunnel = gbit(alice, bob, "10.2.0.10")
    up = encapsulate(moon, sun, daemons)
    in_udp = gbit(alice, bob, "10.2.0.10")
    story.say(f"one TCP stream from alice to bob, all five hosts and both gateways on the same {os.cpu_count()} cores:")
    story.say(f"plain link in clear   {plain:6.2f} Gbit/s")
    for name, got in (("ESP", tunnel), ("ESP in UDP", in_udp)):
        story.say(f"{name:<21} {got:6.2f} Gbit/s   ({100 * got / plain if plain else 0:.0f} %)")
    if in_udp > tunnel:
        story.say("(encap = yes wins here: the kernel takes datagrams, but not raw ESP, by the dozen)")
    story.check("the tunnel carries bulk traffic, either way", up and min(tunnel, in_udp) > 0.05)


def tell(story, lab):
    begin = time.monotonic()
    alice, moon, cafe, sun, bob = lab.two_sites()
    plain = gbit(alice, bob, "10.2.0.10")
    daemons = start(story, moon, sun)
    negotiate(story, moon, cafe, sun, daemons[sun][1])
    explain(story, moon)
    protected_ping(story, alice, moon, cafe, bob)
    attacks(story, alice, cafe, sun, bob)
    restart(story, alice, moon, daemons)
    throughput(story, alice, moon, sun, bob, daemons, plain)
    down = moon.pavise("down", "sites")
    story.check("moon says goodbye and both sides are clean",
                down.returncode == 0 and moon.ip_xfrm("xfrm state list").stdout.strip() == "", down.stdout + down.stderr)
    story.line()
    if story.bad:
        story.line(story.paint("1;31", f"{story.bad} of {story.count} claims were NOT TRUE."))
    else:
        story.line(story.paint("1;32", f"All {story.count} claims were true; {time.monotonic() - begin:.0f} seconds."))
    if story.bad:
        story.line(lab.logs())


def main():
    arguments = sys.argv[1:]
    if arguments not in ([], ["--tap"]):
        sys.exit("usage: ./dev demo [--tap]")
    story = Story(tap=bool(arguments))
    try:
        with Lab() as lab:
            try:
                tell(story, lab)
            except (lab_module.Failed, subprocess.TimeoutExpired) as error:
                story.check("the story came to its end", False, str(error) + "\n" + lab.logs())
    except KeyboardInterrupt:
        sys.exit("demo: interrupted; hosts and daemons are gone")
    if story.tap:
        print(f"1..{story.count}")
    sys.exit(1 if story.bad else 0)


if __name__ == "__main__":
    main()
