#!/usr/bin/python3
"""PAVISE_AUTOSTART=1: a stock program starts pavise-xfrmd in its network namespace when none listens there; two at once
start one; it ends when it holds nothing and nobody is connected; it knows nothing of who started it."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
import stock
from lab import PRELOAD, XFRMD, Failed, main, wait_until

SPI = "src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1234"
KEY = "0x" + "11" * 20
# Stands before pavise-xfrmd: notes what it was given, and makes it leave sooner than it would.
SPY = """\
#!/bin/sh
{{ echo "arguments: $*"; env | sed 's/^/environment: /'; ls -l /proc/self/fd | sed 's/^/descriptor: /'; grep ^Sig /proc/self/status; }} >> {0}/spied
shift 2
exec {1} --exit-when-idle 2 "$@"
"""


class Starter:
    def __init__(self, host):
        self.host = host
        self.log = os.path.join(host.dir, "xfrmd.log")
        self.spy = host.file("spy", SPY.format(host.dir, XFRMD), 0o755)
        self.env = {"LD_PRELOAD": PRELOAD, "PAVISE_AUTOSTART": "1", "PAVISE_XFRMD": self.spy,
                    "PAVISE_XFRMD_LOG": self.log, "A_SECRET": "of the caller"}

    def ip(self, arguments, **env):
        return self.host.try_run(["env", *(f"{k}={v}" for k, v in {**self.env, **env}.items()), "ip", *arguments.split()])

    def running(self):
        """Process ids of what listens in this namespace."""
        pids = subprocess.run(["ip", "netns", "pids", self.host.ns], capture_output=True, text=True, check=False).stdout.split()
        return [int(p) for p in pids if name_of(p) == "pavise-xfrmd"]

    def logged(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read()

    def end(self):
        """Empties it and waits until it has left by itself."""
        self.ip("xfrm state deleteall")
        self.ip("xfrm policy deleteall")
        return wait_until(lambda: not self.running(), 10)


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def one(tap, s):
    done = s.ip(f"xfrm state add {SPI} mode tunnel aead rfc4106(gcm(aes)) {KEY} 128")
    tap.equal("ip xfrm state add starts it and is served", (done.returncode, done.stderr), (0, ""))
    running = s.running()
    tap.equal("there is one", len(running), 1)
    time.sleep(3)
    tap.check("it stays while it holds an SA", s.running() == running and "0x00001234" in s.ip("xfrm state").stdout)
    with open(os.path.join(s.host.dir, "spied"), encoding="utf-8") as file:
        spied = file.read()
    fds = re.findall(r"descriptor: .* (\d+) -> (\S+)", spied)
    beyond = [f for f in fds if int(f[0]) > 2 and not re.match(r"/proc/\d+/fd$", f[1])]  # ls reads that one
    tap.check("it has no descriptor of its starter's", not beyond and ("0", "/dev/null") in fds and ("2", s.log) in fds, spied)
    tap.check("and no environment but a PATH", "A_SECRET" not in spied and "LD_PRELOAD" not in spied
              and "environment: PATH=" in spied, spied)
    tap.check("no signal is blocked or ignored", "SigBlk:\t0000000000000000" in spied and "SigIgn:\t0000000000000000" in spied, spied)
    tap.check("its log is a file for root only", "ready" in s.logged() and os.stat(s.log).st_mode & 0o777 == 0o600, s.logged())
    tap.check("it leaves when it holds nothing", s.end(), s.logged())
    tap.check("and takes routes, rules and its device with it", "219" not in s.host("ip rule") and
              "pavise0" not in s.host("ip link"))
    tap.check("saying why", "no SA, no policy and no client" in s.logged(), s.logged())


def again(tap, s):
    """Over and over, with one that is just leaving in the way."""
    good = 0
    for i in range(4):
        good += s.ip("xfrm state").returncode == 0
        wait_until(lambda: not s.running(), 10 if i % 2 else 2.1, 0.01)
    tap.equal("four times, also while the one before is leaving", good, 4)
    tap.check("none is left", s.end(), s.logged())


def many(tap, s):
    """Ten programs at once."""
    env = {**os.environ, **s.env}
    started = [subprocess.Popen(s.host._wrap(["ip", "xfrm", "policy", "add", "src", "10.0.0.0/8", "dst", f"10.9.{i}.0/24", "dir",
                                             "in", "action", "allow"]), env=env, stderr=subprocess.PIPE, text=True) for i in range(10)]
    errors = [p.communicate(timeout=30)[1] for p in started]
    tap.equal("ten at once: all are served", [p.returncode for p in started], [0] * 10)
    tap.equal("without a word", set(errors), {""})
    tap.check("one is left running", wait_until(lambda: len(s.running()) == 1, 3), s.running())
    count = s.ip("xfrm policy count").stdout
    tap.check("and has all of it", "IN  10" in count, count)
    tap.check("which leaves", s.end(), s.logged())


def not_wanted(tap, s):
    done = s.ip("xfrm state", PAVISE_AUTOSTART="0")
    tap.check("not without PAVISE_AUTOSTART=1", done.returncode != 0 and "is not running" in done.stderr and not s.running(), done.stderr)
    done = s.ip("xfrm state", PAVISE_XFRMD="/nowhere/pavise-xfrmd")
    tap.check("none to start: named in a sentence", done.returncode != 0 and "/nowhere/pavise-xfrmd" in done.stderr, done.stderr)
    began = time.monotonic()
    done = s.ip("xfrm state", PAVISE_XFRMD="/bin/false")
    took = time.monotonic() - began
    tap.check("one that does not come up: an error, in a bounded time", done.returncode != 0 and 1 < took < 30, f"{took} {done.stderr}")


def setuid(tap, s):
    """A setuid program's environment is its caller's, who must not name a program to be run by root."""
    if not shutil.which("setpriv"):
        tap.skip("not for a setuid program", "setpriv is missing")
        return
    ip = os.path.join(s.host.dir, "ip")
    shutil.copy(shutil.which("ip"), ip)
    os.chmod(ip, 0o4755)
    library = "/usr/lib/libpavise-netlink-test.so"
    # Of libraries without a slash in their name the loader preloads into setuid programs only setuid ones of its own places.
    shutil.copy(PRELOAD, library)
    os.chmod(library, 0o4755)
    os.chmod(s.host.lab.dir, 0o755)
    os.chmod(s.host.dir, 0o755)
    try:
        env = {**s.env, "LD_PRELOAD": os.path.basename(library)}
        done = s.host.try_run(["setpriv", "--reuid", "65534", "env", *(f"{k}={v}" for k, v in env.items()), ip, "xfrm", "state"])
        tap.check("not for a setuid program", "libpavise-netlink: pavise-xfrmd is not running" in done.stderr and not s.running(),
                  done.stdout + done.stderr)
    finally:
        os.unlink(library)
        os.unlink(ip)


def charon(tap, s):
    """A daemon with threads, and a crash."""
    why = stock.charon_missing()
    if why:
        tap.skip("charon starts it", why)
        return
    daemon = stock.Charon(s.host, stock.Flow(trap=True), 0, {k: v for k, v in s.env.items() if k.startswith("PAVISE")}).start()
    running = s.running()
    tap.check("charon starts it", len(running) == 1, daemon.log()[-2000:])
    tap.check("its trap is in place", "dir out" in s.ip("xfrm policy", PAVISE_AUTOSTART="0").stdout)
    os.kill(running[0], signal.SIGKILL)
    came = wait_until(lambda: s.running() and s.running() != running, 10)
    tap.check("killed, it is started again by the charon that lost it", came, daemon.log()[-2000:])
    zombies = subprocess.run(["ps", "--ppid", str(daemon.pid()), "-o", "pid,stat,comm"], capture_output=True, text=True, check=False)
    tap.equal("charon has no child by that", zombies.stdout.count("\n"), 1)
    daemon.stop()
    tap.check("it leaves after charon", s.end(), s.logged())


def test(lab, tap):
    host = lab.host("moon")
    lab.wire(host, "eth0", lab.host("sun"), "eth0")
    host("ip address add 192.0.2.1/24 dev eth0")
    s = Starter(host)
    try:
        for part in (one, again, many, not_wanted, setuid, charon):
            try:
                part(tap, s)
            except Failed as e:
                tap.check(f"{part.__name__}: ran to its end", False, e)
    finally:
        for pid in s.running():
            os.kill(pid, signal.SIGTERM)


if __name__ == "__main__":
    main(test, "pavise-xfrmd on demand")
