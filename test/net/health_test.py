#!/usr/bin/python3
"""pavise status: one screen with all that matters, rates, one tunnel alone; and what is wrong, each with a code that
the manual explains."""
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import PAVISE, ROOT, main, wait_until
from sites import BOB, Sites


def status(host, *words):
    return json.loads(host.pavise("status", "--json", *words).stdout)


def codes(host):
    return {p["code"] for p in status(host)["problems"]}


def terminal(host, *words, keys):
    """Types keys, half a second apart, into a command on a terminal; (all that it wrote, exit status)."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen(["ip", "netns", "exec", host.ns, PAVISE, *words], stdin=follower, stdout=follower, stderr=follower,
                          env={**os.environ, "TERM": "xterm"}) as child:
        os.close(follower)
        written = b""
        for turn, key in enumerate([*keys, ""]):
            end = time.monotonic() + (1.5 if turn == 0 else 0.5)
            while time.monotonic() < end:
                if not select.select([leader], [], [], 0.05)[0]:
                    continue
                try:
                    written += os.read(leader, 65536)
                except OSError:  # it has ended
                    break
            if key:
                os.write(leader, key.encode())
        ended = child.wait(5)
    os.close(leader)
    return written.decode(errors="replace"), ended


def run(lab, tap):
    site = Sites(lab)
    site.start(inner=(4,))
    site.up()
    site.alice.ping(BOB[4], 5, 0.02)
    moon = site.moon
    tap.equal("a tunnel that works: nothing is wrong", codes(moon), set())
    text = moon.pavise("status").stdout
    tap.check("that it is post-quantum", "post-quantum" in text and "not post-quantum" not in text, text)
    tap.check("that there is no NAT", "no NAT" in text, text)
    tap.check("it fits a screen of 80 by 24", len(text.splitlines()) <= 24, text)
    flood = site.alice.start(["ping", "-n", "-q", "-i", "0.01", "-s", "1000", BOB[4]])
    child = next(iter(next(iter(status(moon, "--rates")["sas"][0].values()))["child-sas"].values()))
    flood.stop()
    tap.check("rates: some 100 kB a second in each direction", 20e3 < child["rate-out"] < 200e3 and
              20e3 < child["rate-in"] < 200e3, child)
    flood = site.alice.start(["ping", "-n", "-q", "-i", "0.01", "-s", "1000", BOB[4]])
    top = [json.loads(line) for line in moon.pavise("top", "--json", "--interval", "0.5", "--count", "2").stdout.splitlines()]
    flood.stop()
    tap.check("top: two looks, with rates, and CPU of the workers", len(top) == 2 and 20e3 < top[1]["tunnels"][0]["in"] < 200e3
              and top[1]["workers"][0]["cpu_percent"] > 0, top)
    screen, ended = terminal(moon, "top", "--interval", "0.3", "--vici-socket", moon.vici, keys=("s", "fnet", "\r", "q"))
    tap.check("top on a terminal of 80 by 24: its keys work, and all is put back",
              ended == 0 and "sort: name" in screen and "filter: net" in screen and "sites/net-net" in screen
              and screen.endswith("\x1b[?1049l"), screen[-600:])
    tap.equal("one tunnel by its child's name", len(status(moon, "net-net")["sas"]), 1)
    alone = moon.pavise("status", "nobody")
    tap.check("a name that is not there: a sentence", alone.returncode == 1 and "'nobody'" in alone.stderr, alone.stderr)

    moon.sysctl(net__ipv4__ip_forward=0)
    tap.equal("forwarding is off on a gateway", codes(moon), {"forwarding-off"})
    moon.sysctl(net__ipv4__ip_forward=1)
    moon.ip_xfrm("xfrm policy add src 10.1.0.0/16 dst 10.2.7.0/24 dir out priority 900000 tmpl src 192.0.2.1 dst 198.51.100.1 "
                 "proto esp mode tunnel reqid 99")
    moon.ip_xfrm("xfrm state add src 192.0.2.1 dst 198.51.100.9 proto esp spi 0x77777777 reqid 98 mode tunnel aead "
                 "rfc4106(gcm(aes)) 0x000102030405060708090a0b0c0d0e0f10111213 128")
    tap.equal("a policy that gets nothing, an SA that nothing uses", codes(moon), {"policy-shadowed", "sa-without-policy"})
    said = {p["code"]: p["what"] for p in status(moon)["problems"]}
    tap.check("with selectors and priorities", "10.2.7.0/24" in said["policy-shadowed"] and "900000" in said["policy-shadowed"],
              said)
    moon.ip_xfrm("xfrm policy delete src 10.1.0.0/16 dst 10.2.7.0/24 dir out")
    moon.ip_xfrm("xfrm state delete src 192.0.2.1 dst 198.51.100.9 proto esp spi 0x77777777")
    tap.equal("both gone: all is well again", codes(moon), set())
    site.xfrmd[moon].stop()
    tap.check("pavise-xfrmd does not run", "executor-down" in codes(moon))
    for daemons in (site.iked, site.xfrmd):
        for process in daemons.values():
            process.stop()

    weak = {"ike": "aes128-sha1-modp2048", "esp": "null-sha256", "inner": (4,)}
    site.start(**weak)
    site.up()
    tap.equal("weak and readable", codes(moon), {"weak-algorithm", "not-encrypted"})
    tap.check("and not post-quantum", "not post-quantum" in moon.pavise("status").stdout)
    site.moon.pavise("down", "sites")
    site.cafe.nft("table inet f { chain c { type filter hook forward priority 0; udp dport 4500 drop; }; }")
    for host in (site.moon, site.sun):
        site.iked[host].stop()
        site.iked[host] = host.iked(site.config(host.name, **weak, encap=True))
    attempt = moon.start([PAVISE, "up", "net-net", "--vici-socket", moon.vici])
    tap.check("UDP 4500 is blocked, and that is what it says", wait_until(lambda: "natt-blocked" in codes(moon), 8, 0.3),
              codes(moon))
    attempt.stop()
    with open(os.path.join(ROOT, "doc/pavise-status.8"), encoding="utf-8") as file:
        manual = file.read().replace("\\-", "-")
    with open(os.path.join(ROOT, "cli/wrong_tab.h"), encoding="utf-8") as file:
        known = re.findall(r'X\(\w+,\s*\\?\s*"([^"]+)"', file.read())
    tap.equal("the manual has every code", (len(known) > 15, [code for code in known if f".B {code}\n" not in manual]), (True, []))


if __name__ == "__main__":
    main(run, "pavise status")
