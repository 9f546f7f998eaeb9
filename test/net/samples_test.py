#!/usr/bin/python3
"""doc/samples.md shows what `pavise` prints: a scene is played, and what it says has to be what stands there, but for
times, SPIs, rates and other accidents, which are made equal first.

    samples_test.py             compares
    samples_test.py --write     writes doc/samples.md anew
"""
import json
import os
import re
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import PAVISE, ROOT, main, wait_until
from sites import ALICE, BOB, SECRET, Sites
from traffic import capture

DOC = os.path.join(ROOT, "doc/samples.md")
SCHEMA = os.path.join(ROOT, "doc/pavise-json.7")
HEAD = """\
# What `pavise` says

One scene, and what each command prints about it: moon and sun are gateways, alice and bob are hosts behind them.
`test/net/samples_test.py` plays it and compares; `samples_test.py --write` writes this file. Times, SPIs, rates and the like
have been made equal. doc/pavise-json.7 says what `--json` gives.

     alice            moon                 cafe                 sun              bob
     10.1.0.10 ---- 10.1.0.1              (the way)            10.2.0.1 ---- 10.2.0.10
                    192.0.2.1 ------------------------------- 198.51.100.1
"""

# What differs from one run to the next, and what stands for it.
ACCIDENTS = [
    (r"/tmp/pavise-lab-\w+", "/tmp/lab"),
    (r"\b\d\d:\d\d:\d\d\.\d\d\d(\d\d\d)?\b", r"12:00:00.000\1"),
    (r"(12:00:00\.000)\d\d\d", r"\g<1>000"),
    (r"^ *\d+\.\d{3}s ", "   0.010s "),
    (r"^ *\d+\.\d{6}  ", "  0.010000  "),
    (r"\b[0-9a-f]{16}(_[ir])\b", r"0123456789abcdef\1"),
    (r"0x[0-9a-f]{8}\b", "0xc0ffee01"),
    (r"\b[0-9a-f]{8}(_[io])\b", r"c0ffee01\1"),
    (r"(SPI in |out |with SPI )[0-9a-f]{8}\b", r"\1c0ffee01"),
    (r"\d+[dhm] \d+[hms]\b", "3h 20m"),
    (r"\b\d+s\b", "1s"),
    (r"(soft|hard) \d+\(sec\)", r"\1 3600(sec)"),
    (r"(run for|running|last|up|in) \d+ seconds?\b", r"\1 1 second"),
    (r"[\d.]+ [KMG]?i?B/s", "1.0 KiB/s"),
    (r"\d+(\.\d+)? ?%", "1%"),
    (r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\b", "2026-01-01 12:00:00"),
    (r"0x[0-9a-f]{40,}", "0x(hidden)"),
    (r"\b(IKE_SA sites|sites|net-net)([\[{])\d+", r"\g<1>\g<2>1"),
    (r"frame \d+", "frame 1"),
    (r"\b[\d.]+ (ns|us|ms)\b", "1 us"),
    (r"\(frames? [\d, and]+\)", "(frame 1)"),
    (r"\b\d+ frames:", "20 frames:"),
    (r"\bby (ipsecmb|openssl)$", "by ipsecmb"),
    (r"(AES_CBC|AES_GCM_16|SHA2_256_128|ML_KEM_768)( +)(openssl|ipsecmb|pavise)$", r"\1\2library"),
    (r"(sent|received|retransmitted|cookies|total|running)( +)\d+$", r"\1\g<2>1"),
    (r"index \d+", "index 1"),
    (r"Release|release \S+$", "release"),
]


STATS = r"sbrk|mmap|used|free|since"  # of the moment
ALGORITHMS = r"^  (?!AES_(CBC|GCM_16) |CURVE_25519|PRF_HMAC_SHA2_256|HMAC_SHA2_256_128|ML_KEM_768)"  # a few of them will do
STAGES = "assemble|classify|resolve|own|measure|gather|number|wrap|seal|nest|send|" \
         "find_sa|replay|open|commit|unwrap|unpack|conform|deliver"


def equal(text):
    """Without what is an accident. Lines keep their order."""
    lines = []
    for line in text.split("\n"):
        for pattern, word in ACCIDENTS:
            line = re.sub(pattern, word, line)
        lines.append(line.rstrip())
    whole = re.sub(rf"\b({STAGES})(\s+)\d+\.\d\b(?!\.)", r"\1\g<2>0.1", "\n".join(lines))  # what each took
    return re.sub(r"\n{3,}", "\n\n", whole).strip("\n") + "\n"


def words(text):
    """Where a line breaks is an accident, too: it hangs on the length of a number."""
    return re.sub(r"[─-]{3,}", "---", " ".join(text.split()))


def run_it(host, *command):
    asks = command[0] not in ("check", "xfrm", "decode", "help")  # others ask no pavise-iked
    return host.try_run([PAVISE, *command, *(("--vici-socket", host.vici) if asks else ())])


class Samples:
    def __init__(self):
        self.parts, self.json = [HEAD], {}

    def text(self, title, sentence):
        self.parts.append(f"\n## {title}\n\n{sentence}\n")

    def show(self, host, *command, drop=None):
        """A command and what it says, without the lines that `drop` matches."""
        done = run_it(host, *command)
        said = done.stdout + done.stderr
        if drop:
            said = "".join(line for line in said.splitlines(True) if not re.search(drop, line))
        line = equal("pavise " + " ".join(command)).strip()
        self.parts.append(f"\n```console\n{host.name}# {line}\n{equal(said)}```\n")
        return done

    def keep(self, host, name, *command):
        """What --json gives of it: its keys have to be in the schema."""
        done = run_it(host, *command, "--json")
        try:
            self.json[name] = [json.loads(line) for line in done.stdout.splitlines()] if name in ("log", "top") \
                else json.loads(done.stdout)
        except json.JSONDecodeError:
            self.json[name] = None

    def whole(self):
        return "".join(self.parts)


def a_tunnel(s, site):
    moon = site.moon
    s.text("Before", "What the configuration says, and what would become of a packet now.")
    s.show(moon, "check", os.path.join(moon.dir, "swanctl.conf"))
    s.show(moon, "conns")
    s.show(moon, "explain", ALICE[4], BOB[4])
    s.text("A tunnel comes up", "The negotiation as it happens.")
    s.show(moon, "up", "net-net")
    site.alice.ping(BOB[4], 5, 0.05)
    s.text("The tunnel", "One screen with all that matters; `status NAME` shows one tunnel alone.")
    s.show(moon, "status")
    s.text("Live", "`pavise top` redraws itself on a terminal; elsewhere it prints one screen below the other.")
    s.show(moon, "top", "--count", "1", "--interval", "0.2")


def the_executor(s, site):
    moon = site.moon
    s.text("The executor", "What pavise-xfrmd holds, as `ip xfrm` prints it; `xfrm explain` says what each field means.")
    s.show(moon, "xfrm", "state")
    s.show(moon, "xfrm", "policy")
    s.show(moon, "xfrm", "explain")
    # What else has come by a port depends on the moment.
    s.show(moon, "xfrm", "stat", drop=r"^  (tun|udp|raw|pavise|clear)|dropped:|^ +\d+  icmp|^  \w+ does|^ {15}|^  \* ")
    s.text("A packet's way", "What would become of a packet, and why; computed by the code that moves packets.")
    s.show(moon, "explain", ALICE[4], BOB[4], "tcp", "443", "--length", "1200")
    s.show(moon, "explain", ALICE[4], BOB[4], "icmp", "--length", "1500")
    s.show(moon, "explain", "--inbound", BOB[4], ALICE[4])


def packets(s, site):
    """What `pavise trace` shows of a ping and its answer."""
    moon = site.moon
    s.text("Packets as they pass", "`pavise trace` shows each packet's walk through the stages; here that of a ping and its "
           "answer.")
    for options in ((), ("--json",)):
        trace = moon.start([PAVISE, "trace", "--count", "2", *options, "icmp", "--vici-socket", moon.vici], "trace")
        wait_until(lambda: "looking at" in trace.output() or not trace.alive(), 30)
        site.alice.ping(BOB[4], 1)
        trace.popen.wait(30)
        said = trace.output()
        if options:
            s.json["trace"] = [json.loads(line) for line in said.split("\n") if line.startswith("{")]
        else:
            s.parts.append(f"\n```console\nmoon# pavise trace --count 2 icmp\n{equal(said)}```\n")


def lists(s, site):
    moon = site.moon
    s.text("What else there is", "Each `pavise list` of the daemon.")
    for what in ("secrets", "keys", "policies", "certs", "authorities", "counters"):
        s.show(moon, "list", what)
    s.show(moon, "list", "stats", drop=STATS)
    s.show(moon, "list", "algorithms", drop=ALGORITHMS)
    s.show(moon, "pools")
    s.show(moon, "log", "sites", drop="pool|leases")


def monitored(s, site):
    """What `pavise xfrm monitor` tells of a child that gets new keys."""
    moon = site.moon
    s.text("What happens to SAs and policies", "`pavise xfrm monitor` tells it as it happens; here a child gets new keys.")
    for options in ((), ("--json",)):
        monitor = moon.start([PAVISE, "xfrm", "monitor", *options], "monitor")
        monitor.wait_for("listening to", 30)
        moon.pavise("rekey", "net-net")
        wait_until(lambda: len(re.findall(r"gone: .*\n", monitor.output())) == 2, 30)
        monitor.stop(signal.SIGINT)
        said = "".join(line for line in monitor.output().splitlines(True) if "replay state" not in line)  # as packets come
        if options:
            s.json["xfrm monitor"] = [json.loads(line) for line in said.split("\n") if line.startswith("{")]
        else:
            s.parts.append(f"\n```console\nmoon# pavise xfrm monitor\n{equal(said)}```\n")


def words_explained(s, site):
    s.text("Words", "`pavise help TOPIC` explains one, and says what to try.")
    s.show(site.moon, "help", "topics")
    s.show(site.moon, "help", "spd")
    s.show(site.moon, "help", "nat-t")


def a_capture(s, site, path):
    s.text("A capture", "`pavise decode` of the negotiation above, with the keys that `pavise-iked --keylog` has written.")
    secrets = site.moon.file("secrets", SECRET + "\n")
    s.show(site.moon, "decode", "--keys", site.moon.dir, "--secrets", secrets, "--verify", path)
    s.keep(site.moon, "decode", "decode", "--keys", site.moon.dir, "--secrets", secrets, "--verify", path)


def what_is_wrong(s, site):
    moon = site.moon
    s.text("Something is wrong", "`status` ends with what is wrong, each with a code that the manual explains.")
    moon.sysctl(net__ipv4__ip_forward=0)
    s.show(moon, "status", "net-net")
    moon.sysctl(net__ipv4__ip_forward=1)
    s.text("A refusal", "The two sides offer nothing that the other takes. Both say what they can know.")
    for host in (site.moon, site.sun):
        site.iked[host].stop()
        ike = "aes256-sha256-x25519" if host is moon else "aes128-sha256-x25519"
        site.iked[host] = host.iked(site.config(host.name, inner=(4,), ike=ike))
    s.show(moon, "up", "net-net", "--timeout", "20")
    wait_until(lambda: "answered with" in site.sun.pavise("log", "sites").stdout, 10)
    s.show(site.sun, "log", "sites")
    s.show(moon, "up", "net-nett")


def followed(site, tap):
    """pavise log -f tells what was, then what happens; each line once."""
    moon = site.moon
    log = moon.start([PAVISE, "log", "-f", "sites", "--vici-socket", moon.vici], "follow")
    tap.check("log -f begins with what was said before", log.wait_for("established with SPIs", 30))
    moon.pavise("rekey", "net-net")
    tap.check("and goes on with what happens", log.wait_for("has new keys", 30))
    log.stop()
    history = moon.pavise("log", "net-net").stdout
    lines = [line for line in log.output().split("\n") if "has new keys" not in line and line]
    tap.equal("each line once, a child's name stands for its connection", lines, history.strip().split("\n")[:len(lines)])
    other = moon.pavise("log", "nobody")
    tap.check("a name that is not there: a sentence", other.returncode == 1 and "nobody" in other.stderr, other.stderr)


def machines(s, site):
    """Outputs for machines."""
    moon = site.moon
    for name in ("status", "conns", "pools", "version"):
        s.keep(moon, name, name)
    for what in ("certs", "authorities", "policies", "algorithms", "counters", "keys", "secrets", "stats"):
        s.keep(moon, "list " + what, "list", what)
    for what in ("state", "policy", "stat"):
        s.keep(moon, "xfrm " + what, "xfrm", what)
    s.keep(moon, "check", "check", os.path.join(moon.dir, "swanctl.conf"))
    s.keep(moon, "explain", "explain", ALICE[4], BOB[4], "tcp", "443")
    s.keep(moon, "log", "log")
    s.keep(moon, "top", "top", "--count", "1", "--interval", "0.2")


NAMES = re.compile(r"sites|net-net(-\d+)?|(local|remote)-\d+|ake\d|[A-Z0-9_]+$|global")  # chosen by people, or numbered


def keys(value, found):
    """All keys of objects in it, but those that are names."""
    if isinstance(value, dict):
        for key, inside in value.items():
            if not NAMES.fullmatch(key):
                found.add(key)
            keys(inside, found)
    if isinstance(value, list):
        for inside in value:
            keys(inside, found)
    return found


def schema(s, tap):
    with open(SCHEMA, encoding="utf-8") as file:
        known = set(re.findall(r'"([^"\s]+)"', file.read().replace("\\-", "-")))
    for name, value in s.json.items():
        if not tap.check(f"{name} --json is JSON", value is not None):
            continue
        tap.equal(f"{name} --json: the manual knows each key", sorted(keys(value, set()) - known), [])


def run(lab, tap):
    s, site = Samples(), Sites(lab)
    stopper = capture(site.cafe, "eth0", "samples.pcapng")
    for host in (site.moon, site.sun):
        site.xfrmd[host] = host.xfrmd()
        site.iked[host] = host.iked(site.config(host.name, inner=(4,)), "--keylog", host.dir)
    a_tunnel(s, site)
    path = stopper()
    the_executor(s, site)
    lists(s, site)
    machines(s, site)
    packets(s, site)
    monitored(s, site)
    words_explained(s, site)
    a_capture(s, site, path)
    followed(site, tap)
    site.alice.ping(BOB[4], 5, 0.05)
    what_is_wrong(s, site)
    if "--write" in sys.argv:
        with open(DOC, "w", encoding="utf-8") as file:
            file.write(s.whole())
    with open(DOC, encoding="utf-8") as file:
        wanted = [words(part) for part in file.read().split("\n```")]
    got = [words(part) for part in s.whole().split("\n```")]
    tap.equal("doc/samples.md has as many samples as the scene", len(wanted), len(got))
    for want, have in zip(wanted, got):
        if not have.startswith("console"):
            continue
        title = have.split("# pavise ", 1)[1].split(" ", 3)
        tap.equal("pavise " + " ".join(title[:2]), have, want)
    schema(s, tap)


if __name__ == "__main__":
    main(run, "doc/samples.md")
