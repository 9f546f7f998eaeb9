"""bed - two hosts joined by one cable, and every way of sending packets between them that is measured.

        left                                right
     192.0.2.1 ------------- veth ------------- 192.0.2.2       outer addresses, and 2001:db8::1, ::2
     10.1.0.1   ======== the way =========   10.2.0.1           inner addresses, and fd00:1::1, fd00:2::1

There is no third host: a forwarder between the two would do its own work for every packet, on the
same cores, and be charged to the tunnel. A way is a class with up() and the addresses that reach through it.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../net"))
import lab as lab_module
from lab import Failed, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
OUTER = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
INNER = {4: ("10.1.0.1", "10.2.0.1"), 6: ("fd00:1::1", "fd00:2::1")}

ALGORITHMS = {  # words of `ip xfrm state`
    "AES-128-GCM": "aead rfc4106(gcm(aes)) 0x" + "00112233445566778899aabbccddeeff" + "cafebabe 128",
    "AES-256-GCM": "aead rfc4106(gcm(aes)) 0x" + "00112233445566778899aabbccddeeff" * 2 + "cafebabe 128",
    "ChaCha20-Poly1305": "aead rfc7539esp(chacha20,poly1305) 0x" + "00112233445566778899aabbccddeeff" * 2 + "cafebabe 128",
    "AES-128-CBC + HMAC-SHA-256": "enc cbc(aes) 0x" + "00112233445566778899aabbccddeeff" +
                                  " auth-trunc hmac(sha256) 0x" + "00112233445566778899aabbccddeeff" * 2 + " 128",
}


class Bed:
    def __init__(self, lab):
        self.lab, self.left, self.right = lab, lab.host("left"), lab.host("right")
        lab.wire(self.left, "eth0", self.right, "eth0")
        for side, host in enumerate((self.left, self.right)):
            for device, table, bits in (("eth0", OUTER, (24, 64)), ("lo", INNER, (32, 128))):
                host(f"ip address add {table[4][side]}/{bits[0]} dev {device}")
                host(f"ip address add {table[6][side]}/{bits[1]} dev {device} nodad")

    def offloads(self, **switches):
        for host in (self.left, self.right):
            host(["ethtool", "-K", "eth0", *(word for pair in switches.items() for word in pair)])


class Plain:
    """The cable itself. `switches`: device features for ethtool -K."""

    def __init__(self, family=4, **switches):
        self.family, self.switches = family, switches
        self.ends = OUTER[family]

    def up(self, bed):
        if self.switches:
            bed.offloads(**self.switches)


class Tunnel:
    """pavise-xfrmd at both ends, with SAs set by hand: there is no IKE to wait for."""

    def __init__(self, algorithm="AES-128-GCM", encap="udp", family=4, options=()):
        self.algorithm, self.encap, self.family, self.options = algorithm, encap, family, options
        self.ends = INNER[family]
        self.daemons = []

    def xfrm(self, host, command):
        done = host.ip_xfrm("xfrm " + command)
        if done.returncode:
            raise Failed(f"{host.name}: ip xfrm {command}: {done.stdout}{done.stderr}")

    def states(self, host):
        encap = "encap espinudp 4500 4500 0.0.0.0" if self.encap == "udp" else ""
        outer = OUTER[self.family]
        for side in (0, 1):
            self.xfrm(host, f"state add src {outer[side]} dst {outer[1 - side]} proto esp spi {0x1000 + side} reqid 1"
                            f" mode tunnel {ALGORITHMS[self.algorithm]} replay-window 32 flag af-unspec {encap}")

    def policies(self, host, side):
        outer, inner = OUTER[self.family], INNER[self.family]
        bits = 32 if self.family == 4 else 128
        for way, src, dst in (("out", side, 1 - side), ("in", 1 - side, side), ("fwd", 1 - side, side)):
            self.xfrm(host, f"policy add src {inner[src]}/{bits} dst {inner[dst]}/{bits} dir {way}"
                            f" tmpl src {outer[src]} dst {outer[dst]} proto esp reqid 1 mode tunnel")

    def up(self, bed):
        for side, host in enumerate((bed.left, bed.right)):
            self.daemons.append(host.xfrmd("--mtu", "1400", *self.options))
            self.states(host)
            self.policies(host, side)


class Forwarder:
    """The ports of pavise-xfrmd without what lies between them: nothing is encrypted (forward.c)."""

    def __init__(self, family=4):
        self.family, self.ends = family, INNER[family]

    def up(self, bed):
        binary = os.path.join(lab_module.BUILD, "test/bench/forward")
        for side, host in enumerate((bed.left, bed.right)):
            outer, inner = OUTER[self.family], INNER[self.family]
            run = host.start([binary, "bench0", outer[side], outer[1 - side]], "forward")
            if not run.wait_for("ready"):
                raise Failed(f"forward did not start: {run.output()}")
            host(f"ip -{self.family} route add {inner[1 - side]} dev bench0 src {inner[side]}")


class Peer:
    """Another tunnel, by a hook script of peers/: `NAME have`, `NAME up LEFT RIGHT DIR`, `NAME down ...`."""

    def __init__(self, name):
        self.name, self.family, self.ends = name, 4, INNER[4]
        self.script = os.path.join(HERE, "peers", name)

    def missing(self):
        """Why it cannot be measured here, or nothing."""
        done = subprocess.run([self.script, "have"], capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stdout.strip() or "not installed"

    def hook(self, bed, verb):
        done = subprocess.run([self.script, verb, bed.left.ns, bed.right.ns, bed.lab.dir], check=False, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        if done.returncode:
            raise Failed(f"peers/{self.name} {verb}: exit {done.returncode}\n{done.stdout}")

    def up(self, bed):
        self.hook(bed, "up")

    def down(self, bed):
        self.hook(bed, "down")


def answers(bed, way, seconds=10):
    """Does the other end answer through this way?"""
    return wait_until(lambda: bed.left.try_run(
        ["ping", "-n", "-q", "-c", 1, "-W", 1, "-I", way.ends[0], way.ends[1]]).returncode == 0, seconds, 0.2)
