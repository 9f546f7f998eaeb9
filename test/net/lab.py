"""lab - hosts as network namespaces, daemons as child processes, checks as TAP lines.

        alice            moon                 cafe                 sun              bob
     10.1.0.10 ---- 10.1.0.1              (forwards,           10.2.0.1 ---- 10.2.0.10
     fd00:1::10     fd00:1::1              listens,            fd00:2::1     fd00:2::10
                    192.0.2.1 -- 192.0.2.254  |  198.51.100.254 -- 198.51.100.1
                    2001:db8:a::1 --- ::fe    attacks)    ::fe --- 2001:db8:b::1

Everything lives below one Lab, which takes it all away again: processes by their id, namespaces
by their name. Root is needed; nothing outside the namespaces is touched.
"""
import atexit
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("PAVISE_BUILD", "build/release"))
SANITIZED = os.path.basename(BUILD) in ("asan", "tsan")  # takes more memory, and other system calls
IKED = os.path.join(BUILD, "daemon/pavise-iked")
XFRMD = os.path.join(BUILD, "daemon/pavise-xfrmd")
PAVISE = os.path.join(BUILD, "cli/pavise")
NETNS = "/run/netns"
PRELOAD = os.path.join(BUILD, "netlink/libpavise-netlink.so")
ECHO_SERVER = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", int(sys.argv[1])))
print("bound", flush=True)
while True:
    data, peer = s.recvfrom(2000)
    s.sendto(data, peer)
"""  # of UDP, both families; its argument is the port


class Failed(Exception):
    """A command of the test bed itself failed; the test cannot go on."""


def words(command):
    return shlex.split(command) if isinstance(command, str) else [str(w) for w in command]


class Process:
    """A child process in a host, its output in a file."""

    def __init__(self, popen, name, log):
        self.popen, self.name, self.log = popen, name, log

    @property
    def pid(self):
        return self.popen.pid

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def alive(self):
        return self.popen.poll() is None

    def wait_for(self, text, seconds=10):
        return wait_until(lambda: text in self.output(), seconds)

    def stop(self, how=signal.SIGTERM, seconds=10):
        """Ends the process; returns its exit status."""
        if self.alive():
            self.popen.send_signal(how)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait(5)
            return "killed"


def wait_until(condition, seconds=10, step=0.05):
    """True as soon as condition() is; False after the time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(step)
    return bool(condition())


class Host:
    def __init__(self, lab, name):
        self.lab, self.name, self.ns = lab, name, f"{lab.prefix}-{name}"
        self.dir = os.path.join(lab.dir, name)
        os.makedirs(self.dir)
        run(["ip", "netns", "add", self.ns])
        self.ip("link set lo up")

    def _wrap(self, command):
        return ["ip", "netns", "exec", self.ns, *words(command)]

    def try_run(self, command, timeout=60, **kw):
        """Runs to the end; the CompletedProcess with text output, whatever the exit status."""
        return subprocess.run(self._wrap(command), text=True, timeout=timeout, capture_output=True,
                              errors="replace", **kw)

    def __call__(self, command, timeout=60, **kw):
        """Runs to the end and returns standard output; a non-zero exit status ends the test."""
        done = self.try_run(command, timeout, **kw)
        if done.returncode:
            raise Failed(f"{self.name}: {command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def start(self, command, name=None, env=None):
        """Starts a process in the background."""
        name = name or os.path.basename(words(command)[0])
        log = os.path.join(self.dir, f"{name}.{len(self.lab.processes)}.log")
        with open(log, "wb") as out:
            popen = subprocess.Popen(self._wrap(command), stdout=out, stderr=subprocess.STDOUT,
                                     stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
        process = Process(popen, f"{self.name}/{name}", log)
        self.lab.processes.append(process)
        return process

    def file(self, name, text, mode=0o600):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def nft(self, rules):
        """Loads firewall rules."""
        self("nft -f -", input=rules)

    def ip(self, *commands):
        """What would follow `ip`, many at once: a process for each takes longer than what it does."""
        run(["ip", "-n", self.ns, "-batch", "-"], "\n".join(commands) + "\n")

    def sysctl(self, **settings):
        lines = (f"echo {value} > /proc/sys/{key.replace('__', '/')}" for key, value in settings.items())
        self(["sh", "-ec", "\n".join(lines)])

    def ping(self, target, count=3, interval=0.1, size=56, wait=2):
        """Number of answers to `count` pings."""
        done = self.try_run(["ping", "-n", "-q", "-c", count, "-i", interval, "-s", size, "-W", wait, target],
                            timeout=count * interval + wait + 20)
        for line in done.stdout.split("\n"):
            if " received" in line:
                return int(line.split(" received")[0].split()[-1])
        return 0

    # ---- Pavise on this host ----

    def xfrmd(self, *options, binary=XFRMD):
        process = self.start([binary, *options], "xfrmd")
        if not wait_until(lambda: "ready" in process.output() or not process.alive(), 60) or not process.alive():
            raise Failed(f"{self.name}: pavise-xfrmd did not start:\n{process.output()}")
        return process

    @property
    def vici(self):
        return os.path.join(self.dir, "vici")

    def iked(self, config, *options, binary=IKED):
        path = self.file("swanctl.conf", config)
        process = self.start([binary, "--config", path, "--vici-socket", self.vici, "--state-dir", self.dir,
                              *options], "iked")
        if not wait_until(lambda: os.path.exists(self.vici) or not process.alive(), 60) or not process.alive():
            raise Failed(f"{self.name}: pavise-iked did not start:\n{process.output()}")
        return process

    def pavise(self, *arguments, timeout=60):
        return self.try_run([PAVISE, *arguments, "--vici-socket", self.vici], timeout=timeout)

    def swanctl(self, *arguments, timeout=60):
        return self.try_run(["swanctl", *arguments, "--uri", f"unix://{self.vici}"], timeout=timeout)

    def ip_xfrm(self, arguments, timeout=20, **kw):
        """Stock `ip xfrm ...` against this host's pavise-xfrmd."""
        return self.try_run(["env", f"LD_PRELOAD={PRELOAD}", "ip", *words(arguments)], timeout=timeout, **kw)

    def ip_xfrms(self, commands):
        """Many of them by one process; the first that is refused ends the test."""
        text = "".join(f"xfrm {command}\n" for command in commands)
        done = self.ip_xfrm("-batch -", 60, input=text)
        if done.returncode:
            raise Failed(f"{self.name}: ip xfrm: {done.stdout}{done.stderr}\n{text}")

    def xfrm_stat(self):
        """Drop counters of this host's pavise-xfrmd: {word: count}."""
        done = self.try_run([PAVISE, "xfrm", "stat", "--json"])
        if done.returncode:
            raise Failed(f"{self.name}: pavise xfrm stat: {done.stdout}{done.stderr}")
        return {drop["word"]: drop["count"] for drop in json.loads(done.stdout)["drops"]}


def run(command, text=""):
    done = subprocess.run(words(command), text=True, capture_output=True, input=text)
    if done.returncode:
        raise Failed(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def leave(number, _frame):
    """Who is told to end takes everything away, as after an error."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


class Lab:
    """`with Lab() as lab:` - a set of hosts that is gone afterwards."""

    def __init__(self, keep=False):
        self.prefix = f"pv{os.getpid()}"
        self.dir = tempfile.mkdtemp(prefix="pavise-lab-")
        self.hosts, self.processes, self.keep = {}, [], keep
        atexit.register(self.close)
        signal.signal(signal.SIGTERM, leave)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def host(self, name):
        self.hosts[name] = Host(self, name)
        return self.hosts[name]

    def wire(self, a, a_if, b, b_if):
        """A cable: a veth pair between two hosts."""
        run(["ip", "link", "add", a_if, "netns", a.ns, "type", "veth", "peer", "name", b_if, "netns", b.ns])
        for host, device in ((a, a_if), (b, b_if)):
            host.ip(f"link set {device} up")

    @staticmethod
    def address(*rows):
        """Addresses: rows of host, device, address with prefix length ..."""
        for host in {row[0]: None for row in rows}:
            host.ip(*(f"address add {address} dev {device} {'nodad' if ':' in address else ''}" for owner, device, *addresses
                      in rows if owner is host for address in addresses))

    def close(self):
        for process in reversed(self.processes):
            process.stop(seconds=8)
        self.processes.clear()
        for ns in self.namespaces():
            subprocess.run(["ip", "netns", "del", ns], capture_output=True, check=False)
        self.hosts.clear()
        if not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)

    def namespaces(self):
        """Those that are there: one may have been made and not got into hosts any more."""
        there = os.listdir(NETNS) if os.path.isdir(NETNS) else []
        return [name for name in there if name.startswith(self.prefix + "-")]

    def logs(self):
        """The last lines of every process, for a failed test."""
        text = []
        for process in self.processes:
            tail = process.output().strip().split("\n")[-25:]
            text.append(f"--- {process.name} ---\n" + "\n".join(tail))
        return "\n".join(text)

    # ---- the picture at the top of this file ----

    def two_sites(self, nat=False):
        """alice - moon - cafe - sun - bob, with IPv4 and IPv6 everywhere. nat: moon's side of the
        cafe is behind a NAT (IPv4)."""
        alice, moon, cafe, sun, bob = (self.host(n) for n in ("alice", "moon", "cafe", "sun", "bob"))
        self.wire(alice, "eth0", moon, "eth1")
        self.wire(moon, "eth0", cafe, "eth0")
        self.wire(sun, "eth0", cafe, "eth1")
        self.wire(bob, "eth0", sun, "eth1")
        self.address(
            (alice, "eth0", "10.1.0.10/16", "fd00:1::10/64"),
            (moon, "eth1", "10.1.0.1/16", "fd00:1::1/64"),
            (moon, "eth0", "192.0.2.1/24", "2001:db8:a::1/64"),
            (cafe, "eth0", "192.0.2.254/24", "2001:db8:a::fe/64"),
            (cafe, "eth1", "198.51.100.254/24", "2001:db8:b::fe/64"),
            (sun, "eth0", "198.51.100.1/24", "2001:db8:b::1/64"),
            (sun, "eth1", "10.2.0.1/16", "fd00:2::1/64"),
            (bob, "eth0", "10.2.0.10/16", "fd00:2::10/64"))
        for host, v4, v6 in ((alice, "10.1.0.1", "fd00:1::1"), (moon, "192.0.2.254", "2001:db8:a::fe"),
                             (sun, "198.51.100.254", "2001:db8:b::fe"), (bob, "10.2.0.1", "fd00:2::1")):
            host.ip(f"route add default via {v4}", f"route add default via {v6}")
        for host in (moon, cafe, sun):
            host.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        # The cafe knows the way to the sites, so that a packet in clear would really arrive.
        cafe.ip(*(f"route add 10.{site}.0.0/16 via {via4}\nroute add fd00:{site}::/64 via {via6}" for site, via4, via6
                  in (("1", "192.0.2.1", "2001:db8:a::1"), ("2", "198.51.100.1", "2001:db8:b::1"))))
        if nat:
            cafe.nft("""table ip nat {
                chain post {
                    type nat hook postrouting priority 100
                    oifname eth1 ip saddr 192.0.2.0/24 masquerade
                }
            }""")
        return alice, moon, cafe, sun, bob


class Tap:
    """Checks as TAP on standard output. `with Tap("name") as tap:` prints the plan at the end."""

    def __init__(self, title, lab=None):
        self.title, self.count, self.failed, self.lab = title, 0, 0, lab

    def __enter__(self):
        print(f"# {self.title}", flush=True)
        return self

    def __exit__(self, kind, error, _trace):
        if error is not None and not isinstance(error, (KeyboardInterrupt, SystemExit)):
            self.check(f"{self.title}: ran to its end", False, "".join(traceback.format_exception(error))[-3000:])
        if self.failed and self.lab:
            print("\n".join("# " + line for line in self.lab.logs().split("\n")))
        print(f"1..{self.count}", flush=True)
        if error is not None:
            sys.exit(1)
        return False

    def check(self, what, good, detail=""):
        """One line of the result. detail is shown when it is bad."""
        self.count += 1
        print(f"{'ok' if good else 'not ok'} {self.count} - {what}", flush=True)
        if not good:
            self.failed += 1
            for line in str(detail).strip().split("\n"):
                print(f"#   {line}")
        return bool(good)

    def equal(self, what, got, want):
        return self.check(what, got == want, f"got {got!r}, want {want!r}")

    def skip(self, what, why):
        self.count += 1
        print(f"ok {self.count} - {what} # SKIP {why}", flush=True)

    def note(self, text):
        print(f"# {text}", flush=True)


def main(test, title, **lab_options):
    """The frame of a test script: a lab, TAP around it, exit status."""
    with Lab(**lab_options) as lab, Tap(title, lab) as tap:
        test(lab, tap)
    sys.exit(1 if tap.failed else 0)
