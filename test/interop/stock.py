"""stock - one face for three IKE daemons on pavise-xfrmd: Debian's charon, Debian's pluto (both unmodified, with the
preload library), and pavise-iked.

        left                                          right
      10.1.0.1, fd00:1::1 on lo                     10.2.0.1, fd00:2::1 on lo
      192.0.2.1, 2001:db8::1 ---------------------- 192.0.2.2, 2001:db8::2

A flow (struct Flow) says which tunnel the two negotiate; every daemon writes its own configuration from it.
"""
import glob
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass

from lab import PAVISE, PRELOAD, Failed, run, wait_until

CHARON = "/usr/sbin/charon-systemd"
SECRET = "what the crossbowman whispered behind the shield"
OUTER = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
INNER = {4: ("10.1.0.1", "10.2.0.1"), 6: ("fd00:1::1", "fd00:2::1")}
SIDES = ("left", "right")
IDS = ("left.example.org", "right.example.org")
BEHIND = "10.9.0.2"  # left's address where a NAT stands before it


@dataclass
class Flow:
    mode: str = "tunnel"  # or transport
    encap: bool = False   # ESP in UDP although there is no NAT
    family: int = 4       # of the outer addresses; inner ones are of the same
    trap: bool = False    # left negotiates for its first packet
    auth: str = "psk"     # or rsa, ecdsa: certificates of papers()
    nat: bool = False     # left is behind a NAT (hosts_apart); IPv4
    moves: bool = False   # left is going to have another address
    dpd: int = 2          # seconds between signs of life
    child: str = "esp_proposals = aes256gcm16-ecp256"  # of charon and pavise-iked

    def __str__(self):
        child = "" if self.child == Flow.child else ", " + self.child.replace("\n", ", ")
        return (f"{self.mode}, IPv{self.family}" + (", in UDP" if self.encap else "") + (", trap" if self.trap else "")
                + ("" if self.auth == "psk" else ", " + self.auth.upper()) + (", left behind a NAT" if self.nat else "")
                + (", left moves" if self.moves else "") + child)

    def ends(self, side):
        """Addresses that the SA protects: (mine, the peer's)."""
        pair = OUTER[self.family] if self.mode == "transport" else INNER[self.family]
        return pair[side], pair[1 - side]

    def outer(self, side):
        return OUTER[self.family][side], OUTER[self.family][1 - side]

    def remote(self, side):
        """The peer's address, where it keeps that."""
        return "%any" if self.moves and side == 1 else OUTER[self.family][1 - side]

    def local(self, side):
        """The address that a side itself has; its peer may see another one."""
        if self.moves and side == 0:
            return "%any"
        return BEHIND if self.nat and side == 0 else OUTER[self.family][side]


def hosts(lab):
    """The picture above."""
    pair = [lab.host(name) for name in SIDES]
    lab.wire(pair[0], "eth0", pair[1], "eth0")
    for side, host in enumerate(pair):
        host(f"ip address add {OUTER[4][side]}/24 dev eth0")
        host(f"ip address add {OUTER[6][side]}/64 dev eth0 nodad")
        host(f"ip address add {INNER[4][side]}/32 dev lo")
        host(f"ip address add {INNER[6][side]}/128 dev lo")
        # The way in clear exists, so that a packet that leaks would really arrive.
        host(f"ip route add {INNER[4][1 - side]}/32 via {OUTER[4][1 - side]}")
        host(f"ip -6 route add {INNER[6][1 - side]}/128 via {OUTER[6][1 - side]}")
    return pair


def hosts_apart(lab):
    """left is behind a NAT, which has the address that left has in the picture above."""
    left, nat, right = (lab.host(name) for name in ("inside", "nat", "outside"))
    lab.wire(left, "eth0", nat, "eth0")
    lab.wire(right, "eth0", nat, "eth1")
    for host, device, address in ((left, "eth0", BEHIND), (nat, "eth0", "10.9.0.1"), (nat, "eth1", OUTER[4][0]),
                                  (right, "eth0", OUTER[4][1])):
        host(f"ip address add {address}/24 dev {device}")
    left("ip route add default via 10.9.0.1")
    for side, host in enumerate((left, right)):
        host(f"ip address add {INNER[4][side]}/32 dev lo")
    right(f"ip route add {INNER[4][0]}/32 via {OUTER[4][0]}")
    for side, gateway in enumerate((BEHIND, OUTER[4][1])):
        nat(f"ip route add {INNER[4][side]}/32 via {gateway}")
    nat.sysctl(net__ipv4__ip_forward=1)
    nat("iptables-legacy -t nat -A POSTROUTING -o eth1 -s 10.9.0.0/24 -j MASQUERADE")
    return left, right


KEYS = {"rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
        "ecdsa": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]}


def papers(lab):
    """A folder with an authority (ca.pem) and SIDE-KIND.pem, .key and .p12 of each side and kind of key."""
    at = os.path.join(lab.dir, "papers")
    if os.path.exists(at):
        return at
    os.makedirs(at)

    def openssl(*argv):
        subprocess.run(["openssl", *argv], cwd=at, check=True, capture_output=True)

    def make(name, kind, subject, extension, signer):
        openssl("genpkey", *KEYS[kind], "-out", f"{name}.key")
        openssl("req", "-new", "-key", f"{name}.key", "-subj", f"/C=CH/O=Pavise test/CN={subject}", "-out", f"{name}.csr")
        with open(os.path.join(at, f"{name}.ext"), "w", encoding="utf-8") as file:
            file.write(extension)
        openssl("x509", "-req", "-in", f"{name}.csr", *signer, "-days", "30", "-extfile", f"{name}.ext", "-out", f"{name}.pem")

    make("ca", "rsa", "authority", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n",
         ["-signkey", "ca.key"])
    for kind in KEYS:
        for side, name in enumerate(SIDES):
            # Two of the same subject would have one name for NSS.
            make(f"{name}-{kind}", kind, f"{name} {kind}", f"subjectAltName=DNS:{IDS[side]}\nkeyUsage=digitalSignature\n",
                 ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"])
            openssl("pkcs12", "-export", "-in", f"{name}-{kind}.pem", "-inkey", f"{name}-{kind}.key", "-name",
                    f"{name}-{kind}", "-passout", "pass:", "-out", f"{name}-{kind}.p12")
    return at


SWANCTL = """\
connections {{ net {{ version = 2
    local_addrs = {local}
    remote_addrs = {remote}
    encap = {encap}
    proposals = aes256-sha256-prfsha256-ecp256
    dpd_delay = {dpd}s
    local {{ {proof}
        id = {me} }}
    remote {{ {auth}
        id = {peer} }}
    children {{ c {{ {ts}
        mode = {mode}
        start_action = {action}
        {child} }} }} }} }}
secrets {{ ike-1 {{ id-1 = {me}
    id-2 = {peer}
    secret = "{secret}" }} }}
"""


def swanctl_conf(flow, side):
    local, remote = flow.local(side), flow.outer(side)[1]
    mine, peers = flow.ends(side)
    auth = "auth = psk" if flow.auth == "psk" else "auth = pubkey"
    proof = auth if flow.auth == "psk" else f"{auth}\n        certs = {SIDES[side]}-{flow.auth}.pem"
    ts = "" if flow.mode == "transport" else f"local_ts = {mine}\n        remote_ts = {peers}"
    return SWANCTL.format(local=local, remote=remote, me=IDS[side], peer=IDS[1 - side], auth=auth, proof=proof, encap="yes" if flow.encap else "no", mode=flow.mode, secret=SECRET,
                          dpd=flow.dpd, ts=ts, child=flow.child, action="trap" if flow.trap and side == 0 else "none")


class Daemon:
    """What all three can do. `flow` and `side` (0: left) are fixed for its life."""
    name = ""

    def __init__(self, host, flow, side, env=None, executor="pavise"):
        self.host, self.flow, self.side, self.process, self.executor = host, flow, side, None, executor
        self.extra = env or {}
        self.dir = os.path.join(host.dir, self.name)
        os.makedirs(self.dir, exist_ok=True)

    def preload(self):
        return {**({"LD_PRELOAD": PRELOAD} if self.executor == "pavise" else {}), **self.extra}

    def file(self, name, text):
        return self.host.file(f"{self.name}/{name}", text)

    def papers(self, folder):
        """What swanctl.conf's neighbours are to be, from the folder of papers()."""
        name = f"{SIDES[self.side]}-{self.flow.auth}"
        for sub, source in (("x509", f"{name}.pem"), ("private", f"{name}.key"), ("x509ca", "ca.pem")):
            os.makedirs(os.path.join(folder, sub), exist_ok=True)
            shutil.copy(os.path.join(papers(self.host.lab), source), os.path.join(folder, sub, source))

    def log(self):
        return self.process.output()

    def stop(self):
        return self.process.stop()

    def kill(self):
        os.kill(self.pid(), signal.SIGKILL)
        self.process.stop()

    def pid(self):
        return self.process.pid  # ip netns exec becomes the program


class Vici(Daemon):
    """charon and pavise-iked: driven by swanctl."""
    def vici(self):
        return os.path.join(self.dir, "vici")

    def swanctl(self, *arguments, timeout=60):
        done = self.host.try_run(["swanctl", *arguments, "--uri", f"unix://{self.vici()}"], timeout=timeout)
        return done.stdout + done.stderr

    def up(self):
        said = self.swanctl("--initiate", "--child", "c", "--timeout", "40")
        return "initiate completed successfully" in said or said

    def down(self):
        said = self.swanctl("--terminate", "--ike", "net", "--timeout", "30")
        return "terminate completed successfully" in said or said

    def rekey_child(self):
        said = self.swanctl("--rekey", "--child", "c")
        return "rekey completed successfully" in said or said

    def rekey_ike(self):
        said = self.swanctl("--rekey", "--ike", "net")
        return "rekey completed successfully" in said or said

    def ike_spis(self):
        return re.findall(r"([0-9a-f]{16})_i\*? ([0-9a-f]{16})_r", self.swanctl("--list-sas"))

    def await_vici(self):
        if not wait_until(lambda: os.path.exists(self.vici()) and "net:" in self.swanctl("--list-conns"), 60, 0.1):
            raise Failed(f"{self.name} did not start:\n{self.process.output()}")


class Charon(Vici):
    name = "charon"

    def start(self, load=True):
        if os.path.exists(self.vici()):
            os.unlink(self.vici())
        settings = self.file("strongswan.conf", f"""\
charon-systemd {{
    load = random nonce openssl pem pkcs1 pkcs8 x509 pubkey constraints kdf kernel-netlink socket-default vici updown
    journal {{ default = -1 }}
    retransmit_timeout = 1
    filelog {{ stderr {{ default = 1
                         knl = 2
                         flush_line = yes }} }}
    plugins {{ vici {{ socket = unix://{self.vici()} }} }}
}}
""")
        config = self.file("swanctl.conf", swanctl_conf(self.flow, self.side))
        if self.flow.auth != "psk":
            self.papers(self.dir)
        env = {"STRONGSWAN_CONF": settings, "SWANCTL_DIR": self.dir, **self.preload()}
        self.process = self.host.start([CHARON], "charon", env=env)
        if not wait_until(lambda: os.path.exists(self.vici()), 60):
            raise Failed(f"charon did not start:\n{self.process.output()}")
        if load:
            self.swanctl("--load-all", "--file", config)
            self.await_vici()
        return self

    def refused(self):
        return [line for line in self.log().split("\n") if "received netlink error" in line]


class Iked(Vici):
    name = "iked"

    def vici(self):
        return self.host.vici

    def start(self):
        if os.path.exists(self.vici()):
            os.unlink(self.vici())
        if self.flow.auth != "psk":
            self.papers(self.host.dir)
        self.process = self.host.iked(swanctl_conf(self.flow, self.side), "--executor", self.executor)
        self.await_vici()
        return self

    def refused(self):
        return []


IPSEC_CONF = """\
config setup
    logfile=/dev/stderr
    uniqueids=no
conn net
    ikev2=insist
    {auth}
    left={local}
    leftid=@{me}
    right={remote}
    rightid=@{peer}
    type={mode}
    {subnets}
    encapsulation={encap}
    mobike=yes
    ike=aes256-sha2_256;dh19
    esp=aes_gcm256-null;dh19
    dpddelay={dpd}
    dpdtimeout={timeout}
    dpdaction=clear
    auto={auto}
"""


class Pluto(Daemon):
    name = "pluto"

    def start(self):
        local, remote = self.flow.local(self.side), self.flow.remote(self.side)
        mine, peers = self.flow.ends(self.side)
        bits = 32 if self.flow.family == 4 else 128
        subnets = "" if self.flow.mode == "transport" else f"leftsubnet={mine}/{bits}\n    rightsubnet={peers}/{bits}"
        conf = self.file("ipsec.conf", IPSEC_CONF.format(
            local=local, remote=remote, me=IDS[self.side], peer=IDS[1 - self.side], auth=self.auth(), mode=self.flow.mode, subnets=subnets, encap="yes" if self.flow.encap else "auto",
            dpd=self.flow.dpd, timeout=3 * self.flow.dpd, auto="ondemand" if self.flow.trap and self.side == 0 else "add"))
        secrets = self.file("ipsec.secrets", f'@{IDS[self.side]} @{IDS[1 - self.side]} : PSK "{SECRET}"\n')
        nss, rundir = os.path.join(self.dir, "nss"), os.path.join(self.dir, "run")
        if not os.path.exists(nss):
            for path in (nss, rundir, os.path.join(self.dir, "ipsec.d")):
                os.makedirs(path)
            run(["certutil", "-N", "-d", f"sql:{nss}", "--empty-password"])
        if self.flow.auth != "psk":
            self.give_papers(nss)
        for left_over in glob.glob(os.path.join(rundir, "*")):
            os.unlink(left_over)  # a killed pluto leaves its pid file, and another one would not start
        # Its helpers are looked for at their installed place; `ip netns exec` has given us mounts of our own.
        script = (f"mount --bind {libreswan()}/usr/libexec /usr/libexec && LD_PRELOAD=$PAVISE_PRELOAD exec "
                  f"/usr/libexec/ipsec/pluto --nofork --config {conf} --secretsfile {secrets} --nssdir {nss} "
                  f"--ipsecdir {self.dir}/ipsec.d --rundir {rundir} --stderrlog")
        env = {**self.preload(), "LD_PRELOAD": "",
               "PAVISE_PRELOAD": PRELOAD if self.executor == "pavise" else "",
               "PATH": f"{libreswan()}/usr/sbin:{os.environ['PATH']}"}
        self.process = self.host.start(["sh", "-c", script], "pluto", env=env)
        if not wait_until(lambda: "net" in self.whack("--status") or not self.process.alive(), 60, 0.1) \
                or not wait_until(lambda: "loading secrets" in self.log(), 60) or not self.process.alive():
            raise Failed(f"pluto did not start:\n{self.process.output()}")
        return self

    def auth(self):
        if self.flow.auth == "psk":
            return "authby=secret"
        return (f"authby={'rsasig' if self.flow.auth == 'rsa' else 'ecdsa'}\n    leftcert={SIDES[self.side]}-{self.flow.auth}\n"
                "    leftsendcert=always\n    rightca=%same")

    def give_papers(self, nss):
        at, name = papers(self.host.lab), f"{SIDES[self.side]}-{self.flow.auth}"
        run(["certutil", "-A", "-d", f"sql:{nss}", "-n", "ca", "-t", "CT,,", "-i", f"{at}/ca.pem"])
        run(["pk12util", "-d", f"sql:{nss}", "-i", f"{at}/{name}.p12", "-W", "", "-K", ""])

    def whack(self, *arguments, timeout=60):
        try:
            done = self.host.try_run([f"{libreswan()}/usr/libexec/ipsec/whack", "--ctlsocket",
                                      os.path.join(self.dir, "run/pluto.ctl"), *arguments], timeout=timeout)
        except subprocess.TimeoutExpired:
            return "whack timed out"
        return done.stdout + done.stderr

    def up(self):
        said = self.whack("--initiate", "--name", "net")
        return "established Child SA" in said or said

    def down(self):
        said = self.whack("--terminate", "--name", "net")
        return "ERROR" not in said or said

    def rekey_child(self):
        said = self.whack("--rekey-ipsec", "--name", "net")
        return "established" in said or "rekeyed" in said or said

    def rekey_ike(self):
        said = self.whack("--rekey-ike", "--name", "net")
        return "established" in said or "rekeyed" in said or said

    def ike_spis(self):
        return re.findall(r"STATE_V2_ESTABLISHED_IKE_SA.*", self.whack("--status"))

    def refused(self):
        return [line for line in self.log().split("\n") if "ERROR: netlink" in line]


DAEMONS = {"charon": Charon, "pluto": Pluto, "iked": Iked}
_unpacked = {}


def libreswan():
    """Where Debian's Libreswan lies unpacked: as a package it conflicts with strongSwan."""
    return _unpacked["at"]


def libreswan_fetch(lab):
    """Unpacks it below the lab. '' or why that cannot be."""
    if not shutil.which("certutil"):
        return "certutil is missing (package libnss3-tools)"
    at = os.path.join(lab.dir, "libreswan")
    os.makedirs(at)
    known = glob.glob(os.environ.get("PAVISE_LIBRESWAN_DEB", "/var/cache/pavise/libreswan_*.deb"))
    if not known:
        done = subprocess.run(["apt-get", "download", "-q", "libreswan"], cwd=at, capture_output=True, text=True,
                              env={**os.environ, "APT_CONFIG": ""}, timeout=120, check=False)
        known = glob.glob(os.path.join(at, "libreswan_*.deb"))
        if not known:
            return "libreswan is not to be had: " + (done.stderr.strip().split("\n") or [""])[-1]
    run(["dpkg-deb", "-x", known[0], at])
    _unpacked["at"] = at
    missing = subprocess.run(["ldd", f"{at}/usr/libexec/ipsec/pluto"], capture_output=True, text=True, check=False)
    lost = re.findall(r"(\S+) => not found", missing.stdout)
    return f"pluto lacks {', '.join(lost)}" if lost else ""


def charon_missing():
    for path in (CHARON, "/usr/sbin/swanctl", "/usr/lib/ipsec/plugins/libstrongswan-kernel-netlink.so"):
        if not os.path.exists(path):
            return f"{path} is missing (packages charon-systemd strongswan-swanctl strongswan-charon)"
    return ""


class Flood:
    """Pings every 5 ms from left to right, until they are counted."""
    TAIL = 60  # answers that may be outstanding when it is stopped: 0.3 s

    def __init__(self, host, flow):
        mine, peers = flow.ends(0)
        self.process = host.start(["ping", "-n", "-i", "0.005", "-w", "60", "-I", mine, peers], "flood")
        time.sleep(0.3)

    def await_sent(self, count):
        wait_until(lambda: self.process.output().count("icmp_seq=") >= count, 10)

    def counts(self):
        """(sent, lost)"""
        time.sleep(0.3)
        self.process.popen.send_signal(signal.SIGINT)
        self.process.popen.wait(10)
        said = self.process.output()
        got = {int(n) for n in re.findall(r"icmp_seq=(\d+) ttl", said)}
        found = re.search(r"(\d+) packets transmitted", said)
        last = max(got, default=0)
        if not found or int(found[1]) - last > self.TAIL:
            last = int(found[1]) if found else 1
        return last, last - len(got)


def spis(host):
    return set(re.findall(r"spi (0x[0-9a-f]+)", host.ip_xfrm("xfrm state list").stdout))
