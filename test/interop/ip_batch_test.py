#!/usr/bin/python3
"""Stock `ip` in its other ways of working, on pavise-xfrmd: batches, -statistics, JSON where it has any, deleteall of
many, monitor next to a batch, a restart of pavise-xfrmd in the midst. (Verb by verb, byte by byte: ip_xfrm_test.py.)"""
import os
import re
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
from lab import PRELOAD, main, wait_until

MANY = 600
KEY = "0x" + "22" * 20


def sa(n):
    return (f"xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi {0x1000 + n} reqid {n % 7 + 1} mode tunnel "
            f"aead rfc4106(gcm(aes)) {KEY} 128")


def policy(n):
    return (f"xfrm policy add src 10.1.{n % 256}.0/24 dst 10.{2 + n // 256}.{n % 256}.0/24 dir in "
            f"tmpl src 192.0.2.2 dst 192.0.2.1 proto esp reqid {n % 7 + 1} mode tunnel")


class Ip:
    def __init__(self, host):
        self.host = host

    def __call__(self, arguments, **kw):
        return self.host.try_run(["env", f"LD_PRELOAD={PRELOAD}", "ip", *arguments.split()], **kw)

    def batch(self, lines, *options):
        return self.host.try_run(["env", f"LD_PRELOAD={PRELOAD}", "ip", *options, "-batch", "-"], input="\n".join(lines) + "\n")

    def counts(self):
        found = re.search(r"SAD count (\d+)", self("xfrm state count").stdout)
        policies = re.search(r"IN  (\d+)", self("xfrm policy count").stdout)
        return int(found[1]), int(policies[1])


def batches(tap, ip):
    done = ip.batch([sa(n) for n in range(MANY)] + [policy(n) for n in range(MANY)])
    tap.equal("one batch of 1200 requests", (done.returncode, done.stderr, ip.counts()), (0, "", (MANY, MANY)))
    text = ip("xfrm state list").stdout
    tap.equal("a dump of many has each once", sorted(int(s, 16) for s in re.findall(r"spi (0x\w+)", text)),
              list(range(0x1000, 0x1000 + MANY)))
    tap.equal("so has one of policies", len(set(re.findall(r"dst (10\.\S+)", ip("xfrm policy list").stdout))), MANY)
    listed = ip.batch(["xfrm state list", "xfrm policy list", "xfrm state count"])
    tap.equal("dumps within a batch are the same", listed.stdout.startswith(text), True)
    done = ip.batch([sa(1), sa(MANY + 1)])  # at errors of XFRM iproute2 ends, also with -force
    tap.check("a batch ends at its first mistake", done.returncode and "exists" in done.stderr and
              ip.counts()[0] == MANY, done.stderr)


def formats(tap, ip):
    one = "xfrm state get src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1005"
    plain, counted = ip(one).stdout, ip("-s " + one).stdout
    tap.check("-statistics adds lifetimes and counters", counted.startswith(plain.split("\n", maxsplit=1)[0]) and
              "lifetime current" in counted and "replay-window" in counted, counted)
    tap.check("nokeys keeps the key back", KEY in plain and KEY not in ip("xfrm state list nokeys").stdout and
              "<<Keys hidden>>" in ip("xfrm state list nokeys").stdout)
    tap.equal("-json, which iproute2 does not know for SAs, changes nothing", ip("-json " + one).stdout, plain)
    tap.equal("-oneline", ip("-oneline " + one).stdout.count("\n") <= plain.count("\n"), True)


def monitor(host, tap, ip):
    heard = host.start(["ip", "xfrm", "monitor", "all"], "monitor", env={"LD_PRELOAD": PRELOAD})
    heard_sas = host.start(["ip", "xfrm", "monitor", "SA"], "monitor", env={"LD_PRELOAD": PRELOAD})
    # A monitor says nothing when it is there: a change that repeats shows that both listen.
    def listening():
        ip("xfrm state allocspi src 192.0.2.9 dst 192.0.2.8 proto esp reqid 9 min 0x50 max 0x5000")
        ip("xfrm state deleteall reqid 9")
        return "192.0.2.9" in heard.output() and "192.0.2.9" in heard_sas.output()
    tap.check("monitors hear", wait_until(listening, 10, 0.2))
    ip("xfrm state deleteall reqid 3")
    ip("xfrm policy deleteall dir in")
    ip("xfrm state flush")
    gone = lambda text: len(re.findall(r"Deleted src 192\.0\.2\.1 ", text))
    want = sum(n % 7 + 1 == 3 for n in range(MANY))
    said = wait_until(lambda: "Flushed state" in heard_sas.output() and heard.output().count("Deleted src 10.1.") == MANY, 10)
    tap.check("of deleteall each SA and each policy, of flush one line", said and gone(heard.output()) == want,
              f"{gone(heard.output())} of {want}, {heard.output().count('Deleted src 10.1.')} policies")
    tap.check("a monitor of SAs hears no policy", "10.1." not in heard_sas.output())
    tap.equal("nothing is left", ip.counts(), (0, 0))
    return heard


def restart(host, tap, ip, xfrmd, heard):
    before = len(heard.output())
    xfrmd.stop(signal.SIGKILL)
    xfrmd = host.xfrmd()
    def hears():
        ip("xfrm state allocspi src 192.0.2.7 dst 192.0.2.8 proto esp reqid 9 min 0x50 max 0x5000")
        ip("xfrm state deleteall reqid 9")
        return "192.0.2.7" in heard.output()[before:]
    tap.check("a monitor outlives pavise-xfrmd", wait_until(hears, 10, 0.2), heard.output()[before:])
    return xfrmd


def test(lab, tap):
    host = lab.host("moon")
    lab.wire(host, "eth0", lab.host("sun"), "eth0")
    host("ip address add 192.0.2.1/24 dev eth0")
    xfrmd, ip = host.xfrmd(), Ip(host)
    batches(tap, ip)
    formats(tap, ip)
    heard = monitor(host, tap, ip)
    xfrmd = restart(host, tap, ip, xfrmd, heard)
    tap.check("pavise-xfrmd is alive", xfrmd.alive())


if __name__ == "__main__":
    main(test, "stock ip in batches")
