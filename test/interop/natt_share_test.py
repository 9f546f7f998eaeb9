#!/usr/bin/python3
"""UDP port 4500 is shared by a stock IKE daemon (here: a program that does with its socket what such a daemon does, and
counts) and pavise-xfrmd: IKE comes to the one and ESP to the other, whoever starts first and whoever restarts."""
import json
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
FULL = os.environ.get("PAVISE_FULL") == "1"
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
from lab import PAVISE, PRELOAD, Failed, main, wait_until

# Counts what comes to its UDP socket, bound to the address it is given; says so when it gets a SIGTERM.
DAEMON = r"""
import select, signal, socket, struct, sys
v6 = ":" in sys.argv[1]
xfrm = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 6)
xfrm.bind((0, 0x3))
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if v6:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
s.bind((sys.argv[1], 4500))
s.setsockopt(socket.IPPROTO_UDP, 100, 2)  # UDP_ENCAP, UDP_ENCAP_ESPINUDP
counts = {"ike": 0, "esp": 0, "other": 0}
def end(*_):
    s.setblocking(False)
    try:
        while True:
            take()
    except BlockingIOError:
        pass
    print("counted", counts["ike"], counts["esp"], counts["other"], flush=True)
    sys.exit()
def take():
    d = s.recv(2000)
    counts["other" if len(d) < 4 else "ike" if d[:4] == b"\0\0\0\0" else "esp"] += 1
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True:
    ready, _, _ = select.select([s, xfrm], [], [], 1)
    if s in ready:
        take()
    if xfrm in ready:
        try:
            xfrm.recv(9000)
        except OSError as e:
            print("xfrm", e.errno, flush=True)
"""
SENDER = r"""
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
for i in range(100):
    s.sendto(b"\0\0\0\0" + b"an IKE message that is none" * 2, (sys.argv[1], 4500))
    if i < 70:
        s.sendto(b"\0\0\x12\x34" + i.to_bytes(4, "big") + bytes(64), (sys.argv[1], 4500))
    if i < 5:
        s.sendto(b"\xff", (sys.argv[1], 4500))
"""
ADDRESSES = {4: "192.0.2.1", 6: "2001:db8::1"}


class Shared:
    def __init__(self, tap, host, peer, bind, family, workers=1):
        self.workers = workers
        self.tap, self.host, self.peer, self.bind, self.family = tap, host, peer, bind, family
        self.xfrmd = self.daemon = None

    def start_xfrmd(self):
        self.xfrmd = self.host.xfrmd("--workers", str(self.workers))

    def start_daemon(self):
        self.daemon = self.host.start(["/usr/bin/python3", "-c", DAEMON, self.bind], "ike", env={"LD_PRELOAD": PRELOAD})
        if not self.daemon.wait_for("ready"):
            raise Failed("the IKE daemon did not start:\n" + self.daemon.output())

    def udp(self):
        """What came to pavise-xfrmd's sockets: (ESP, not ESP)."""
        stat = json.loads(self.host([PAVISE, "xfrm", "stat", "--json"]))
        ports = [p for p in stat["ports"] if p["name"] == "udp_encap"]
        return [sum(p[key] for p in ports) for key in ("packets_in", "ignored")]

    def count(self, what):
        """Ends the daemon for its count, and starts another one."""
        before = self.udp()
        self.peer(["/usr/bin/python3", "-c", SENDER, ADDRESSES[self.family]])
        got = lambda: [b - a for a, b in zip(before, self.udp())]
        wait_until(lambda: got()[0] >= 70, 3)
        esp, ignored = got()
        self.daemon.stop()
        ike = [int(n) for n in self.daemon.output().split("counted")[1].split()]
        self.tap.check(f"IPv{self.family}, bound to {self.bind}, {what}: 100 IKE here, 70 ESP there, nothing astray",
                       ike[:2] == [100, 0] and esp == 70 and ignored + ike[2] == 5,
                       f"IKE daemon: {ike[0]} IKE, {ike[1]} ESP, {ike[2]} other; pavise-xfrmd: {esp} ESP, {ignored} not ESP")
        self.start_daemon()

    def close(self):
        for process in (self.daemon, self.xfrmd):
            process.stop()


def session(s):
    s.start_xfrmd()
    s.start_daemon()
    s.count("pavise-xfrmd first")
    s.count("the daemon again")
    s.daemon.stop(signal.SIGKILL)
    time.sleep(0.2)
    s.start_daemon()
    s.count("the daemon killed and again")
    for how in (signal.SIGTERM, signal.SIGKILL):
        s.xfrmd.stop(how)
        s.start_xfrmd()
        # The daemon notices by its event socket, and says that it has missed something (ENOBUFS).
        s.tap.check(f"IPv{s.family}, bound to {s.bind}: the daemon is connected again", s.daemon.wait_for("xfrm 105"))
        s.count(f"pavise-xfrmd {'restarted' if how == signal.SIGTERM else 'killed and again'}")
    s.close()


def both(lab, tap, host, peer):
    """One address bound by two at once, and given back by one."""
    s = Shared(tap, host, peer, ADDRESSES[4], 4)
    s.start_xfrmd()
    s.start_daemon()
    other = s.daemon
    sockets = lambda: host("ss -lun").count(f"{ADDRESSES[4]}:4500")
    tap.equal("one socket beside the daemon's", sockets(), 2)
    s.start_daemon()
    tap.equal("two daemons at the same address: still one of pavise-xfrmd", sockets(), 3)
    other.stop()
    tap.check("one of them ends: it stays", wait_until(lambda: sockets() == 2, 5))
    s.count("after another one has ended")
    s.daemon.stop(signal.SIGKILL)
    tap.check("the last one is killed: it is taken away", wait_until(lambda: sockets() == 0, 5), host("ss -lun"))
    s.close()


def test(lab, tap):
    host, peer = lab.host("moon"), lab.host("sun")
    lab.wire(host, "eth0", peer, "eth0")
    for h, n in ((host, 1), (peer, 2)):
        h(f"ip address add 192.0.2.{n}/24 dev eth0")
        h(f"ip address add 2001:db8::{n}/64 dev eth0 nodad")
    for bind, family in (("0.0.0.0", 4), (ADDRESSES[4], 4), ("::", 6), (ADDRESSES[6], 6)):
        session(Shared(tap, host, peer, bind, family))
        if FULL:
            tap.note("three workers")
            session(Shared(tap, host, peer, bind, family, 3))
    both(lab, tap, host, peer)


if __name__ == "__main__":
    main(test, "one port for IKE and ESP")
