#!/usr/bin/python3
"""Stock swanctl drives pavise-iked, and what it prints has the keys, the order and the formats that
it prints for Debian's charon with the same configuration."""
import os
import re
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
import strongswan
from lab import main, wait_until
from sites import BOB, Sites

OPTIONS = {"encap": True, "inner": (4,), "ike": "aes256gcm16-prfsha384-ecp384", "esp": "aes256gcm16-ecp384",
           "conn_extra": "version = 2\n dpd_delay = 30", "child_extra": "dpd_action = trap\n start_action = none"}
# What differs from run to run, and what a NAT looks like to whom (charon always pretends one).
CHANGING = {"uniqueid", "initiator-spi", "responder-spi", "spi-in", "spi-out", "established", "rekey-time",
            "life-time", "install-time", "use-in", "use-out", "bytes-in", "bytes-out", "packets-in", "packets-out"}
# strongSwan 6.0.6 lists ports, and the reqid of policies; 5.9 and 6.0.1, which Debian has, do not. The latter may be compared with, too.
ROOT6 = os.environ.get("STRONGSWAN6_ROOT", "")
NEWER = {"local_port", "remote_port"}
NAT = {"nat-local", "nat-remote", "nat-fake", "nat-any"}


def parse(pretty):
    """swanctl --pretty as nested lists of (key, value); order is kept."""
    stack = [[]]
    for line in pretty.split("\n"):
        line = line.strip()
        if line in ("}", "]"):
            stack.pop()
        elif line.endswith(("{", "[")):
            name = line.rstrip(" {[=")
            inner = []
            stack[-1].append((name, inner))
            stack.append(inner)
        elif " = " in line:
            stack[-1].append(tuple(line.split(" = ", 1)))
        elif line and not line.startswith("loaded plugins"):
            stack[-1].append((None, line))
    return stack[0]


def masked(tree):
    """Without what cannot be equal; section names of SAs lose their number."""
    policy = any(k == "child" for k, _ in tree)
    return [(re.sub(r"-\d+$", "", k) if isinstance(v, list) and k else k,
             masked(v) if isinstance(v, list) else "*" if k in CHANGING else v)
            for k, v in tree if k not in NAT | NEWER and not (policy and k == "reqid") and not str(k).startswith("tasks-")]


class Peer:
    """swanctl towards one daemon, charon or pavise-iked."""

    def __init__(self, host, vici):
        self.host, self.vici = host, vici

    def __call__(self, *arguments, timeout=30):
        return self.host.try_run(["swanctl", *arguments, "--uri", f"unix://{self.vici}"], timeout=timeout)

    def out(self, *arguments):
        done = self(*arguments)
        return "\n".join(line for line in (done.stdout + done.stderr).split("\n") if "loaded plugins" not in line)


VERBS = [  # what is asked while the tunnel is up; a name for each
    ("list-conns", ["--list-conns", "--pretty"]),
    ("list-sas", ["--list-sas", "--pretty"]),
    ("list-sas of another child", ["--list-sas", "--child", "nope", "--pretty"]),
    ("list-sas of another IKE SA", ["--list-sas", "--ike-id", "4711", "--pretty"]),
    ("list-pols", ["--list-pols", "--pretty"]),
    ("list-pools", ["--list-pools", "--pretty"]),
    ("list-certs", ["--list-certs", "--pretty"]),
    ("list-authorities", ["--list-authorities", "--pretty"]),
    ("initiate what is not there", ["--initiate", "--child", "nope", "--pretty"]),
    ("terminate what is not there", ["--terminate", "--ike-id", "4711", "--pretty"]),
    ("rekey what is not there", ["--rekey", "--ike", "nope", "--pretty"]),
    ("install", ["--install", "--child", "net-net", "--pretty"]),
    ("list-pols after install", ["--list-pols", "--pretty"]),
    ("uninstall", ["--uninstall", "--child", "net-net", "--pretty"]),
    ("list-pols after uninstall", ["--list-pols", "--pretty"]),
    ("rekey of the child", ["--rekey", "--child", "net-net", "--pretty"]),
    ("rekey of the IKE SA", ["--rekey", "--ike", "sites", "--pretty"]),
    ("terminate", ["--terminate", "--ike", "sites", "--timeout", "5", "--pretty"]),
]


def ask_all(peer):
    answers = {}
    for name, arguments in VERBS:
        text = peer.out(*arguments)
        if name.startswith("terminate") or name.startswith("initiate"):  # the story differs, the answer must not
            text = text[text.rfind("\n", 0, text.rfind(" reply {")) + 1:]
        answers[name] = masked(parse(text))
        time.sleep(0.7 if name.startswith("rekey of") else 0)
    return answers


def reference(site):
    """What charon says, on both hosts."""
    peers = [strongswan.StrongSwan(host, site.config(host.name, **OPTIONS), root=ROOT6) for host in (site.moon, site.sun)]
    try:
        peers[0].swanctl("--initiate", "--child", "net-net")
        return ask_all(Peer(site.moon, peers[0].vici))
    finally:
        for peer in peers:
            peer.stop()


def listings(site, tap, charon):
    peer = Peer(site.moon, site.moon.vici)
    done = peer("--initiate", "--child", "net-net", "--timeout", "10")
    tap.check("swanctl --initiate: success, and the story was told", done.returncode == 0
              and "initiate completed successfully" in done.stdout and "[IKE]" in done.stdout, done.stdout + done.stderr)
    ours = ask_all(peer)
    for name, want in charon.items():
        tap.equal(f"{name}: as charon prints it", ours[name], want)
    text = peer.out("--list-sas")
    tap.check("after terminate nothing is listed", not text.strip(), text)


def verbs(site, tap):
    """Forms that people read, and what has no counterpart in charon."""
    peer = Peer(site.moon, site.moon.vici)
    tap.check("--version --daemon names us", "pavise-iked" in peer.out("--version", "--daemon"), peer.out("--version", "--daemon"))
    stats = peer.out("--stats")
    for line in ("uptime: ", "worker threads: 1 total", "IKE_SAs: 0 total, 0 half-open", "mallinfo: sbrk "):
        tap.check(f"--stats says {line.strip()}", line in stats, stats)
    tap.check("--list-algs names AES_GCM_16", "AES_GCM_16[" in peer.out("--list-algs"), peer.out("--list-algs"))
    tap.equal("--counters succeeds", peer("--counters").returncode, 0)
    loaded = peer("--load-all", "--file", os.path.join(site.moon.dir, "swanctl.conf"))
    tap.check("--load-all loads what the daemon has from its file already", loaded.returncode == 0
              and "loaded connection 'sites'" in loaded.stdout, loaded.stdout + loaded.stderr)
    tap.equal("--initiate of the IKE SA alone succeeds",
              peer("--initiate", "--ike", "sites", "--timeout", "10").returncode, 0)
    text = peer.out("--list-sas")
    tap.check("an IKE SA without children is listed", "sites: #" in text and "INSTALLED" not in text, text)
    done = peer("--terminate", "--ike", "sites", "--force")
    tap.equal("--terminate --force succeeds", done.returncode, 0)


RAW = [  # every verb that asks for something; a word that its answer holds
    (["--stats"], "uptime"), (["--list-algs"], "CURVE_25519"), (["--counters"], "ike-init-out-req"), (["--version", "--daemon"], "pavise-iked"),
    (["--list-conns"], "list-conn event"), (["--list-sas"], "list-sa event"), (["--list-pols"], "list-policies reply"),
    (["--list-certs"], "list-certs reply"), (["--list-pools"], "get-pools reply"), (["--list-authorities"], "list-authorities reply"),
    (["--flush-certs"], "success=yes"), (["--load-creds", "--noprompt"], "get-keys reply"), (["--load-conns"], "success=yes"),
    (["--load-pools"], "get-pools reply"), (["--load-authorities"], "get-authorities reply"), (["--reload-settings"], "success=yes"),
    (["--rekey", "--child", "net-net"], "matches=1"), (["--install", "--child", "net-net"], "install completed"),
    (["--uninstall", "--child", "net-net"], "uninstall completed"), (["--terminate", "--child", "net-net", "--timeout", "5"], "terminated=1"),
    (["--initiate", "--child", "net-net", "--timeout", "10"], "success=yes"),
]


def raw(site, tap):
    """Every verb with --raw, and the one that is refused."""
    peer = Peer(site.moon, site.moon.vici)
    peer("--initiate", "--child", "net-net", "--timeout", "10")
    for arguments, word in RAW:
        more = ["--file", os.path.join(site.moon.dir, "swanctl.conf")] if arguments[0].startswith("--load") else []
        done = peer(*arguments, *more, "--raw")
        tap.check(f"{' '.join(arguments)} --raw", done.returncode == 0 and word in done.stdout, done.stdout + done.stderr)
    done = peer("--redirect", "--ike", "sites", "--gateway", "192.0.2.7")
    tap.check("--redirect ends in words", done.returncode == 0 or "redirect" in done.stdout + done.stderr, done.stdout + done.stderr)
    peer("--terminate", "--ike", "sites", "--timeout", "5")


def watching(site, tap):
    """--monitor-sa and --log while a tunnel comes and goes."""
    uri = f"unix://{site.moon.vici}"
    watchers = {name: site.moon.start(["stdbuf", "-oL", "swanctl", f"--{name}", "--uri", uri], name)
                for name in ("monitor-sa", "log")}
    time.sleep(1)
    peer = Peer(site.moon, site.moon.vici)
    peer("--initiate", "--child", "net-net")
    peer("--rekey", "--child", "net-net")
    time.sleep(0.7)
    peer("--rekey", "--ike", "sites")
    time.sleep(0.7)
    peer("--terminate", "--ike", "sites")
    for name, wanted in (("monitor-sa", ("sites: #", "net-net: #", "INSTALLED", "DELETING")), ("log", ("[IKE]",))):
        good = wait_until(lambda n=name, w=wanted: all(x in watchers[n].output() for x in w), 5)
        watchers[name].stop()
        tap.check(f"--{name} shows it", good, watchers[name].output())


def leaving(site, tap):
    """USR2: the diplomat goes, the tunnel stays; the next one takes over."""
    Peer(site.moon, site.moon.vici)("--initiate", "--child", "net-net")
    before = site.spis(site.moon)
    site.iked[site.moon].popen.send_signal(signal.SIGUSR2)
    tap.equal("USR2: exit status 0", site.iked[site.moon].popen.wait(10), 0)
    tap.check("the control socket is gone", not os.path.exists(site.moon.vici))
    tap.equal("the SAs are still there", (len(before), site.spis(site.moon)), (2, before))
    tap.equal("and work", site.alice.ping(BOB[4], 3), 3)
    site.iked[site.moon] = site.moon.iked(site.config("moon", **OPTIONS))
    tap.equal("the next run negotiates anew", Peer(site.moon, site.moon.vici)("--initiate", "--child", "net-net").returncode, 0)
    tap.equal("and traffic flows", site.alice.ping(BOB[4], 3), 3)


def reloading(site, tap):
    peer = Peer(site.moon, site.moon.vici)
    good = site.config("moon", **OPTIONS)
    path = site.moon.file("swanctl.conf", good.replace("remote_addrs", "remote_adrs"))
    done = peer("--reload-settings")
    tap.check("a broken file is refused with its mistake", done.returncode != 0 and "remote_adrs" in done.stderr + done.stdout,
              done.stdout + done.stderr)
    log = site.iked[site.moon].output()
    tap.check("and the log says where it is", re.search(re.escape(path) + r":\d+:\d+: ", log), log[-1500:])
    tap.check("the old one stays in force", "sites: IKEv2" in peer.out("--list-conns"), peer.out("--list-conns"))
    site.moon.file("swanctl.conf", good.replace("    sites {", "    villages {"))
    site.iked[site.moon].popen.send_signal(signal.SIGHUP)
    came = wait_until(lambda: "villages: IKEv2" in peer.out("--list-conns"), 5, 0.2)
    tap.check("SIGHUP brings a good one into force", came, peer.out("--list-conns"))


def test(lab, tap):
    if strongswan.missing():
        tap.skip("swanctl", strongswan.missing())
        return
    site = Sites(lab)
    charon = reference(site)
    site.start(**OPTIONS)
    listings(site, tap, charon)
    verbs(site, tap)
    raw(site, tap)
    watching(site, tap)
    leaving(site, tap)
    reloading(site, tap)
    for host in (site.moon, site.sun):
        tap.equal(f"{host.name}: pavise-iked ends with status 0", site.iked[host].stop(), 0)


if __name__ == "__main__":
    main(test, "stock swanctl")
