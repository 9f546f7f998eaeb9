#!/usr/bin/python3
"""What no policy names, to a network that one protects, is forwarded past the executor as by the kernel's own XFRM: a firewall that
lets nothing of the host's own out, and forwards between the real devices, lets it pass. Nothing that a policy names does so, while
policies come and go under a flood, nft fails, a connection's source is translated, or the executor dies."""
import json
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import PAVISE, XFRMD, main, wait_until

FULL = os.environ.get("PAVISE_FULL") == "1"
FAMILIES = (4, 6)
ALICE = {4: "10.1.0.10", 6: "fd00:1::10"}
BOB = {4: "10.2.0.10", 6: "fd00:2::10"}
BITS = {4: 32, 6: 128}
NETS = {4: ("10.1.0.64/26", "10.2.0.0/16"), 6: ("fd00:1::1:0/112", "fd00:2::/64")}  # alice is in none of them
HIDDEN = {4: "10.1.0.65", 6: "fd00:1::1:1"}  # a source that the policy names
TMPL = "tmpl src 192.0.2.1 dst 198.51.100.1 proto esp mode tunnel"
TURNS = 60 if FULL else 6
GRACE = 2
OTHER = {4: "10.1.0.11/16", 6: "fd00:1::11/64"}  # of alice, named by no policy
LEGACY = "/usr/sbin/iptables-legacy"
FIREWALL = """table inet wall {
    chain out {
        type filter hook output priority 0; policy drop;
        oifname "lo" accept
        icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept
    }
    chain pass {
        type filter hook forward priority 0; policy drop;
        iifname "eth1" oifname "eth0" accept
        iifname "eth0" oifname "eth1" ct state established accept
    }
}"""
SEEN = """table inet seen {
    counter clear_4 { }
    counter clear_6 { }
    chain pass {
        type filter hook forward priority 0
        iifname "eth0" ip daddr 10.2.0.0/16 ip protocol icmp counter name clear_4
        iifname "eth0" ip6 daddr fd00:2::/64 icmpv6 type { echo-request, packet-too-big } counter name clear_6
    }
}"""


def seen(cafe):
    listed = json.loads(cafe("nft -j list counters table inet seen"))["nftables"]
    by_name = {c["counter"]["name"]: c["counter"]["packets"] for c in listed if "counter" in c}
    return [by_name[f"clear_{f}"] for f in FAMILIES]


def policy(host, verb, src, dst, more=""):
    tmpl = f"{more} {TMPL}" if verb == "add" else ""
    host.ip_xfrms([f"policy {verb} src {src} dst {dst} dir out {tmpl}"])


def rules(host, family):
    return host(f"ip -{family} rule show")


def is_past(host):
    return ["fwmark 0x8000000/0x8000000" in rules(host, f) for f in FAMILIES]


def opens(host):
    return wait_until(lambda: all(is_past(host)), 30)


def closes(host):
    return wait_until(lambda: not any(is_past(host)), 30)


def pings(alice, count=3):
    return [alice.ping(BOB[f], count, 0.05) for f in FAMILIES]


def lost(alice):
    """How many come back of some that must not; they have time to."""
    return [alice.ping(BOB[f], 2, 0.05, wait=0.3) for f in FAMILIES]


def translate(moon):
    for f, name in ((4, "ip"), (6, "ip6")):
        moon.nft(f"""table {name} nat {{
            chain post {{
                type nat hook postrouting priority srcnat
                {name} daddr {NETS[f][1]} snat to {HIDDEN[f]}
            }}
        }}""")


def translate_no_more(moon):
    moon.nft("delete table ip nat; delete table ip6 nat")


def executor(moon, *options):
    """Its nft does not work while there is a file of the name `broken`."""
    wrapper = moon.file("nft", f"#!/bin/sh\n[ -e {moon.dir}/broken ] && exit 1\nexec /usr/sbin/nft \"$@\"\n", 0o755)
    return moon.xfrmd(f"PATH={os.path.dirname(wrapper)}:{os.environ['PATH']}", XFRMD, *options, binary="env")


def forwarded(tap, alice, moon):
    tap.check("no policy: nothing of it is in nftables", "pavise_past" not in moon("nft list tables"))
    for f in FAMILIES:
        policy(moon, "add", *NETS[f])
    tap.check("a policy for others: the rule is there", opens(moon), [rules(moon, f) for f in FAMILIES])
    tap.equal("what it does not name is forwarded, and the host sends nothing itself", pings(alice), [3, 3])
    for f in FAMILIES:
        said = moon(f"ip -{f} route get {BOB[f]} mark 0x8000000")
        tap.check(f"IPv{f}: the bit means nothing for what the host sends itself", "pavise0" in said, said)


def errors(tap, alice, moon):
    """With `icmp = yes` errors are for who they are about, so they never have the bit; pings still do."""
    moon.ip_xfrms([f"policy update src {NETS[f][0]} dst {NETS[f][1]} dir out flag icmp {TMPL}" for f in FAMILIES])
    judged = wait_until(lambda: re.search(r"(?s)icmp type {.*icmpv6 type {", moon("nft list table inet pavise_past")), 30)
    tap.check("a policy about errors: the executor judges them", judged and opens(moon), moon("nft list table inet pavise_past"))
    tap.equal("and pings are forwarded", pings(alice), [3, 3])


def marked(tap, alice, moon):
    """What has a mark of the host's rules keeps it as it is: others compare all of it."""
    moon.nft("""table inet mine {
        counter exact { }
        chain before { type filter hook prerouting priority mangle; iifname eth1 meta mark set 4; }
        chain forwarded { type filter hook forward priority -10; iifname eth1 meta mark 4 counter name exact; }
    }""")
    pings(alice, 2)
    said = moon("nft list counter inet mine exact")
    tap.check("what has a mark already keeps it as it is", int(re.search(r"packets (\d+)", said)[1]) >= 4, said)
    moon.nft("delete table inet mine")


def named(moon, verb):
    for f in FAMILIES:
        policy(moon, verb, f"{ALICE[f]}/{BITS[f]}", NETS[f][1], "priority 7")


def guard_drops(moon):
    return json.loads(moon([PAVISE, "xfrm", "stat", "--json"]))["guard"]["clear_out"]


def flood(tap, alice, moon, cafe):
    """A policy that names alice comes and goes: from its answer until it goes none of her packets is seen, nor is it the guard
    that has kept them in."""
    running = [alice.start(["ping", "-n", "-q", "-i", "0.003", BOB[f]], "flood") for f in FAMILIES]
    leaked, passed, stopped = [0, 0], 0, 0
    for turn in range(TURNS):
        start = seen(cafe)
        passed += wait_until(lambda start=start: all(now > then for now, then in zip(seen(cafe), start)), 30)
        named(moon, "add")
        before, drops = seen(cafe), guard_drops(moon)
        if turn % 3 == 1:  # others come meanwhile, too many for nft to be asked each time
            moon.ip_xfrms([f"policy add src 10.1.{turn}.{i} dst 10.2.{turn}.{i} dir out {TMPL}" for i in range(60)])
        time.sleep(0.05)
        stopped += guard_drops(moon) - drops
        leaked = [n + now - then for n, now, then in zip(leaked, seen(cafe), before)]
        named(moon, "del")
    for process in running:
        process.stop(signal.SIGINT)
    tap.equal(f"{TURNS} times a policy comes and goes under a flood: what it does not name passes", passed, TURNS)
    tap.equal("and nothing does while it is there", leaked, [0, 0])
    tap.equal("nor comes as far as to the guard", stopped, 0)


def nft_fails(tap, alice, moon, cafe):
    """A policy that nft could not be told of: the rule has gone before the policy is acknowledged."""
    opens(moon)
    moon.file("broken", "")
    named(moon, "add")
    tap.check("nft fails: the rule goes at once", not any(is_past(moon)), rules(moon, 4))
    before = seen(cafe)
    tap.equal("and nothing passes that the new policy names", (lost(alice), seen(cafe)), ([0, 0], before))
    os.remove(os.path.join(moon.dir, "broken"))
    tap.check("it works again: the guard is told of the policy", wait_until(lambda: ALICE[6] in moon("nft list table inet pavise"), 30),
              moon("nft list ruleset"))
    named(moon, "del")
    tap.check("and the rule is back when the policy goes", opens(moon), rules(moon, 4))


def flushed(tap, alice, moon):
    """A firewall's script begins by taking everybody's tables away."""
    moon.nft("flush ruleset\n" + FIREWALL)
    back = wait_until(lambda: all(t in moon("nft list tables") for t in ("table inet pavise_past", "table inet pavise\n")), 30)
    tap.check("nft flush ruleset: marks and guard are put in again", back, moon("nft list tables"))
    tap.check("with the policies", wait_until(lambda: NETS[6][1] in moon("nft list table inet pavise"), 30), moon("nft list ruleset"))
    tap.equal("and what no policy names is forwarded", pings(alice), [3, 3])


def translated(tap, alice, moon, cafe):
    """Sources that are translated to what a policy names go through the executor, which protects them."""
    before = seen(cafe)
    translate(moon)
    tap.check("the host translates sources: the rule goes", closes(moon), rules(moon, 4))
    tap.equal("and they wait for the tunnel; none has passed in between", (lost(alice), seen(cafe)), ([0, 0], before))
    translate_no_more(moon)
    tap.check("translation ends: the rule is back", opens(moon), rules(moon, 4))
    quick = 0
    for _ in range(5):  # an updown script's rule counts for the first packet that follows it
        translate(moon)
        time.sleep(0.2)
        quick += is_past(moon) == [False, False]
        translate_no_more(moon)
        opens(moon)
    tap.check("either is heard at once, and not by looking now and then", quick >= 4, f"{quick} of 5")
    if FULL and os.path.exists(LEGACY):
        moon(f"{LEGACY} -t nat -A POSTROUTING -d 10.2.0.0/16 -j SNAT --to 10.1.0.65")
        tap.check("likewise with the old iptables", wait_until(lambda: is_past(moon) == [False, True], 30), rules(moon, 4))
        moon(f"{LEGACY} -t nat -F")
        tap.check("whose table may stay", opens(moon), rules(moon, 4))


def dies(tap, alice, moon, cafe, xfrmd):
    named(moon, "add")
    opens(moon)
    xfrmd.stop(signal.SIGKILL)
    before = seen(cafe)
    tap.equal("the executor is killed: nothing that was protected passes", (lost(alice), seen(cafe)), ([0, 0], before))
    for f in FAMILIES:
        alice.ip(f"address add {OTHER[f]} dev eth0" + (" nodad" if f == 6 else ""))
    tap.equal("the rest is still forwarded", [others(alice, f) for f in FAMILIES], [2, 2])
    xfrmd = executor(moon, "--grace", GRACE)
    for f in FAMILIES:
        policy(moon, "add", *NETS[f])
    tap.check("the next one does not know all policies, and has no rule", not any(is_past(moon)), rules(moon, 4))
    tap.check("until the grace is over", opens(moon), rules(moon, 4))
    tap.equal("then what no policy names is forwarded", pings(alice), [3, 3])
    return xfrmd


def others(alice, family):
    said = alice.try_run(["ping", "-n", "-q", "-c", 2, "-i", 0.05, "-W", 2, "-I", OTHER[family].split("/")[0], BOB[family]]).stdout
    found = re.search(r"(\d+) received", said)
    return int(found[1]) if found else said


def blocked(tap, alice, moon):
    moon.ip_xfrms(["policy setdefault out block"])
    tap.check("a default to block: the rule goes at once", not any(is_past(moon)), rules(moon, 4))
    tap.equal("and nothing passes", lost(alice), [0, 0])
    moon.ip_xfrms(["policy setdefault out accept"])
    tap.check("and comes back", opens(moon), rules(moon, 4))


def always(tap, alice, moon, cafe):
    xfrmd = executor(moon, "--forward-clear", "always", "--clear-mark", "0x100")
    for f in FAMILIES:
        policy(moon, "add", *NETS[f])
    wait_until(lambda: "0x100/0x100" in rules(moon, 6), 30)
    before = seen(cafe)
    translate(moon)
    time.sleep(1.2)  # as long as it takes the executor to look
    tap.check("--forward-clear always: the rule stays", "0x100/0x100" in rules(moon, 4), rules(moon, 4))
    tap.equal("and nothing leaves in clear with a source that a policy names", (lost(alice), seen(cafe)), ([0, 0], before))
    translate_no_more(moon)
    tap.equal("without translation it passes", pings(alice), [3, 3])
    xfrmd.stop()


def many(tap, alice, moon):
    """10,000 policies: what the marks cost who loads them, and how long what is forwarded waits."""
    took = {}
    for how in ("never", "auto"):
        xfrmd = executor(moon, "--forward-clear", how)
        start = time.monotonic()
        moon.ip_xfrms([f"policy add src 10.1.0.64/26 dst 10.{2 + i // 8192}.{i // 32 % 256}.{i % 32 * 8}/29 dir out {TMPL}" for i in range(10000)])
        took[how] = time.monotonic() - start
        if how == "auto":
            tap.check("10,000 policies: the rule comes when all are in", wait_until(lambda: is_past(moon)[0], 60), rules(moon, 4))
            took["rule"] = time.monotonic() - start
            tap.equal("pings are forwarded", alice.ping(BOB[4], 3, 0.05), 3)
            start = time.monotonic()
            policy(moon, "add", "10.1.0.64/26", "10.9.0.0/16")
            took["one more"] = time.monotonic() - start
            tap.check("one more: the rule comes back", wait_until(lambda: is_past(moon)[0], 60), rules(moon, 4))
            took["rule again"] = time.monotonic() - start
        xfrmd.stop()
    print("# seconds: " + ", ".join(f"{what} {seconds:.3f}" for what, seconds in took.items()))
    tap.check("and the marks cost little of that", took["auto"] < 2 * took["never"] + 1, took)


def test(lab, tap):
    alice, moon, cafe, *_ = lab.two_sites()
    cafe.nft(SEEN)
    moon.nft(FIREWALL)
    before = [rules(moon, f) for f in FAMILIES]
    xfrmd = executor(moon)
    forwarded(tap, alice, moon)
    errors(tap, alice, moon)
    marked(tap, alice, moon)
    flood(tap, alice, moon, cafe)
    nft_fails(tap, alice, moon, cafe)
    flushed(tap, alice, moon)
    translated(tap, alice, moon, cafe)
    blocked(tap, alice, moon)
    xfrmd = dies(tap, alice, moon, cafe, xfrmd)
    xfrmd.stop()
    tap.equal("stopped: rules are as before", [rules(moon, f) for f in FAMILIES], before)
    tap.check("and the table has gone", "pavise" not in moon("nft list tables"), moon("nft list tables"))
    if FULL:
        always(tap, alice, moon, cafe)
        many(tap, alice, moon)


if __name__ == "__main__":
    main(test, "forwarded past the executor")
