#!/usr/bin/python3
"""The output mark of an SA: protected packets carry it, routing rules for it are obeyed, and with a policy for
everything nothing goes round in circles or leaves in clear. Two hosts with two cables; the marked way is the second."""
import json
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path += [os.path.join(ROOT, "test/net"), os.path.join(ROOT, "test/interop")]
import contract
import contract_wire as nl
from lab import PRELOAD, Failed, main, wait_until

MARK = "153"
HOST = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
OTHER = {4: ("198.51.100.1", "198.51.100.2"), 6: ("2001:db8:2::1", "2001:db8:2::2")}  # the second cable
INNER = {4: ("10.9.0.1", "10.9.0.2"), 6: ("fd09::1", "fd09::2")}
ALL = {4: "0.0.0.0/0", 6: "::/0"}
GCM = f"aead rfc4106(gcm(aes)) 0x{'0123456789abcdef' * 2}cafebabe 128"
PINGS = 5
AH = f"auth-trunc hmac(sha256) 0x{'0123456789abcdef' * 4} 128"
DEFLATE = "comp deflate"
KEEPALIVE = 2  # seconds
# What is around the ping, the innermost first: protocol, mode, algorithm and the rest of an SA.
CHAINS = (("ESP", [("esp", "tunnel", GCM)]),
          ("ESP in UDP", [("esp", "tunnel", GCM + " encap espinudp 4500 4500 0.0.0.0")]),
          ("ESP in UDP on other ports", [("esp", "tunnel", GCM + " encap espinudp {} {} 0.0.0.0")]),
          ("AH", [("ah", "tunnel", AH)]),
          ("IPComp", [("comp", "tunnel", DEFLATE)]),
          ("AH around ESP", [("esp", "tunnel", GCM), ("ah", "transport", AH)]),
          ("ESP around IPComp", [("comp", "tunnel", DEFLATE), ("esp", "transport", GCM)]))
PORTS = (5601, 5602)
CASES = [(name, family, chain) for family in (4, 6) for name, chain in CHAINS]
# Behind the guard: what really leaves.
COUNTERS = """table inet seen {
    counter marked { }
    counter unmarked { }
    counter first { }
    counter clear { }
    chain after {
        type filter hook postrouting priority 300
        oifname != { "eth0", "eth1" } accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld2-listener-report } accept
        meta mark 0x99 oifname "eth1" counter name marked accept
        meta mark 0x99 counter name first accept
        meta l4proto { esp, ah, comp, udp } counter name unmarked accept
        meta l4proto { icmp, icmpv6 } counter name clear
    }
}"""


def counts(host):
    listed = json.loads(host("nft -j list counters table inet seen"))["nftables"]
    return {c["counter"]["name"]: c["counter"]["packets"] for c in listed if "counter" in c}


def reset(host):
    host("nft reset counters table inet seen")


def xfrm(host, command):
    done = host.ip_xfrm("xfrm " + command)
    if done.returncode:
        raise Failed(f"{host.name}: ip xfrm {command}: {done.stdout}{done.stderr}")


def protect(host, side, case):
    _name, family, chain = case
    for way in (0, 1):
        mark = f"output-mark {MARK}" if way == side == 0 else ""
        for number, (proto, mode, algorithm) in enumerate(chain):
            xfrm(host, f"state add src {HOST[family][way]} dst {HOST[family][1 - way]} proto {proto} spi {0x1000 + 16 * number + way:#x} reqid 1"
                       f" mode {mode} {algorithm.format(PORTS[way], PORTS[1 - way])} {'' if proto == 'comp' else 'replay-window 32'} {mark}")
    for direction, way in (("out", side), ("in", 1 - side)):
        tmpls = " ".join(f"tmpl src {HOST[family][way]} dst {HOST[family][1 - way]} proto {proto} reqid 1 mode {mode}" for proto, mode, _ in chain)
        xfrm(host, f"policy add src {ALL[family]} dst {ALL[family]} dir {direction} {tmpls}")


def pings(host, family, mark=""):
    words = f"ping -n -q -c {PINGS} -i 0.05 -W 1 -s 400 -p 00 -I {INNER[family][0]} {mark} {INNER[family][1]}"
    said = host.try_run(words).stdout.split(" received")
    return int(said[0].split()[-1]) if len(said) == 2 else -1


def play(tap, moon, sun, case):
    name, family = f"{case[0]}, IPv{case[1]}", case[1]
    for side, host in enumerate((moon, sun)):
        protect(host, side, case)
    reset(moon)
    tap.equal(f"{name}: pings pass", pings(moon, family), PINGS)
    got = counts(moon)
    tap.equal(f"{name}: all leave with the SA's mark, by the way of the rule for it", got["marked"], PINGS)
    tap.equal(f"{name}: none by the other way, without it, or in clear", [got[k] for k in ("first", "unmarked", "clear")],
              [0, 0, 0])
    if len(case[2]) == 1:
        pings(moon, family, f"-m {MARK}")
        tap.equal(f"{name}: clear text of the same mark does not get out", counts(moon)["clear"], 0)
    for host in (moon, sun):
        xfrm(host, "state flush")
    if case[0].startswith("ESP in UDP"):
        reset(moon)
        pings(moon, family, f"-m {MARK}")
        tap.equal(f"{name}: nor without an SA", sum(counts(moon).values()), 0)
    for host in (moon, sun):
        xfrm(host, "policy flush")


def stranger(tap, moon):
    """ESP's port and protocol are no way out: not for users, and not for what is forwarded."""
    rules = moon("nft list chain inet pavise own_leave")
    tap.check("the guard asks for the owner of what it lets pass by protocol or port",
              rules.count("meta skuid 0 ") == 3 or rules.count('meta skuid "root" ') == 3, rules)
    reset(moon)
    moon(["/usr/bin/python3", "-c", "import socket, os\nos.setuid(65534)\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
          "s.bind(('192.0.2.1', 4501))\ns.sendto(b'x' * 100, ('192.0.2.2', 9))"])
    tap.equal("a user's datagram to the peer does not leave in clear", counts(moon)["unmarked"] + counts(moon)["clear"], 0)
    taken = moon.try_run(["/usr/bin/python3", "-c", "import socket, os\nos.setuid(65534)\n"
                          "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                          "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\ns.bind(('192.0.2.1', 4500))"])
    tap.check("and a user cannot have the port of ESP in UDP", "Address already in use" in taken.stderr, taken.stderr)


def keepalives(tap, moon, family):
    """They go the way of the packets whose NAT mapping they keep, from the SA's port."""
    done = moon.try_run(["env", f"LD_PRELOAD={PRELOAD}", "/usr/bin/python3", os.path.abspath(__file__), "keepalive", family])
    tap.equal(f"IPv{family}: an SA with a mark and NAT keepalives: taken", (done.returncode, done.stderr), (0, ""))
    reset(moon)
    wait_until(lambda: counts(moon)["marked"] > 0, KEEPALIVE + 3)
    got = counts(moon)
    tap.check(f"IPv{family}: keepalives leave with the SA's mark", got["marked"] > 0 and got["unmarked"] + got["first"] == 0, got)
    xfrm(moon, "state flush")


def keepalive_sa(family):
    """In moon: NEWSA with XFRMA_NAT_KEEPALIVE_INTERVAL, for which stock ip(8) has no word yet."""
    request = nl.message("NEWSA", nl.usersa(*HOST[family], 0x100, flags=32), nl.GCM, nl.encap(2, PORTS[0], 1025), nl.attr(nl.SA_DIR, b"\2"),
                         nl.attr(nl.NAT_KEEPALIVE, KEEPALIVE), nl.attr(nl.SET_MARK, int(MARK)), nl.attr(nl.SET_MARK_MASK, 0xffffffff))
    error, _, sentence, _ = contract.Port().ask(request)
    sys.exit(f"errno {error}: {sentence}" if error else 0)


def rules_of(host):
    return [host(f"ip {f} rule show") for f in ("-4", "-6")]


def hosts(lab):
    moon, sun = lab.host("moon"), lab.host("sun")
    lab.wire(moon, "eth0", sun, "eth0")
    lab.wire(moon, "eth1", sun, "eth1")
    for side, host in enumerate((moon, sun)):
        for family, bits in ((4, 24), (6, 64)):
            nodad = ["nodad"] if family == 6 else []
            for device, where in (("eth0", HOST), ("eth1", OTHER), ("lo", INNER)):
                length = (32 if family == 4 else 128) if device == "lo" else bits
                host(["ip", "address", "add", f"{where[family][side]}/{length}", "dev", device, *nodad])
        host.sysctl(net__ipv4__conf__all__rp_filter=0, net__ipv4__conf__eth1__rp_filter=0)
    for family in (4, 6):
        moon(f"ip -{family} rule add fwmark {MARK} lookup 99 priority 300")
        moon(f"ip -{family} route add {HOST[family][1]} via {OTHER[family][1]} dev eth1 table 99")
    moon.nft(COUNTERS)
    return moon, sun


def test(lab, tap):
    moon, sun = hosts(lab)
    before = rules_of(moon)
    executors = [moon.xfrmd("--guard", "nft"), sun.xfrmd()]
    for case in CASES:
        play(tap, moon, sun, case)
    for family in (4, 6):
        keepalives(tap, moon, family)
    protect(moon, 0, CASES[0])
    stranger(tap, moon)
    executors[0].stop()
    tap.equal("the rules are gone after a clean stop", rules_of(moon), before)


if __name__ == "__main__":
    if sys.argv[1:2] == ["keepalive"]:
        keepalive_sa(int(sys.argv[2]))
    main(test, "output marks")
