#!/usr/bin/python3
"""ike_bench - what an IKE handshake and an IKE SA cost: `./dev bench ike [--sas N,N] [--case WORD] [--daemon NAME]`.

One daemon at a time and the load generator (ike_load.c) in two network namespaces. The generator calls it from as
many addresses as there are IKE SAs, each with one child SA, and the daemon keeps them all; then a fresh daemon
initiates. Half-open IKE SAs are those of strangers who say IKE_SA_INIT and nothing else (knock.py; the daemon asks for
no cookies then). The executor behind the daemon is one that only says yes, a process of its own, the same for all:
Debian's charon reaches it through libpavise-netlink.so. Logs go to a file at each daemon's usual level. CPU time is
that of the daemon's threads, kernel included; memory is its proportional set size, what the first IKE SA found
there taken off.

Another daemon: start it in a namespace of its own, let its connection accept anybody who has the key (remote id %any,
remote_ts dynamic, no limit to half-open IKE SAs below --window), and run build/release/test/bench/ike_load as its
--help says, beside `perf stat` or top.
"""
import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../net"))
import lab as lab_module
import meter
from lab import Failed, Lab, PRELOAD, wait_until

LOAD = os.path.join(lab_module.BUILD, "test/bench/ike_load")
CHARON = "/usr/sbin/charon-systemd"
SUITE = "aes128gcm16-prfsha256-x25519"
CASES = {  # name: (proposals, key for openssl or nothing)
    "PSK": (SUITE, None),
    "ECDSA P-256": (SUITE, ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    "RSA-2048": (SUITE, ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    "PSK, X25519 + ML-KEM-768": (SUITE + "-ke1_mlkem768", None),
}
GOAL_RATIO, GOAL_BYTES, GOAL_GROWTH = 2.0, 8192, 1.3
PATIENT = "half_open_timeout = 600\n cookie_threshold = 0\n cookie_threshold_ip = 0\n init_limit_half_open = 100000\n"
CONN = """\
    {name} {{
        version = 2
        local_addrs = {local}
        remote_addrs = {remote}
        proposals = {proposals}
        unique = never
        mobike = no
        rekey_time = 0
        dpd_delay = 0
        local {{ {mine} }}
        remote {{ {theirs} }}
        children {{
            net {{
                local_ts = {local_ts}
                remote_ts = {remote_ts}
                esp_proposals = aes128gcm16
                rekey_time = 0
            }}
        }}
    }}
"""
CHARON_CONF = """\
charon-systemd {{
    load = random nonce openssl pem pkcs1 pkcs8 x509 constraints pubkey kdf curve25519 hmac sha1 sha2 aes gcm mgf1 kernel-netlink socket-default vici
    filelog {{ log {{ path = {dir}/charon.log
                      default = 1 }} }}
    journal {{ default = -1 }}
    install_routes = no
    install_virtual_ip = no
    ikesa_table_size = 4096
    ikesa_table_segments = 16
    half_open_timeout = 600
    dos_protection = no
    plugins {{ vici {{ socket = unix://{vici} }} }}
}}
"""


def say(text):
    print(f"# {text}", file=sys.stderr, flush=True)


# ---- what both ends are configured with ----

class Keys:
    """Certificates of one authority, put where both ends look for them."""

    def __init__(self, folder, key, hosts):
        self.dir = folder
        os.makedirs(folder)
        self.make("ca", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "basicConstraints=critical,CA:TRUE")
        for name, host in hosts.items():
            self.make(name, key, f"subjectAltName=DNS:{name}.example.org")
            for kind, file in (("x509ca", "ca.pem"), ("x509", f"{name}.pem"), ("private", f"{name}.key")):
                os.makedirs(os.path.join(host.dir, kind), exist_ok=True)
                shutil.copy(self.at(file), os.path.join(host.dir, kind))

    def at(self, name):
        return os.path.join(self.dir, name)

    def make(self, name, key, extension):
        by = ["-signkey", self.at("ca.key")] if name == "ca" else [
            "-CA", self.at("ca.pem"), "-CAkey", self.at("ca.key"), "-CAcreateserial"]
        with open(self.at("ext"), "w", encoding="utf-8") as file:
            file.write(extension + "\n")
        for words in (["genpkey", *key, "-out", self.at(f"{name}.key")],
                      ["req", "-new", "-key", self.at(f"{name}.key"), "-subj", f"/O=Pavise bench/CN={name}", "-out",
                       self.at(f"{name}.csr")],
                      ["x509", "-req", "-in", self.at(f"{name}.csr"), *by, "-days", "30", "-extfile", self.at("ext"),
                       "-out", self.at(f"{name}.pem")]):
            subprocess.run(["openssl", *words], check=True, capture_output=True)


def sides(keys, me, peer):
    if keys:
        return f"auth = pubkey\n id = {me}.example.org\n certs = {me}.pem\n", \
            f"auth = pubkey\n id = {peer}.example.org\n"
    names = {"gw": "auth = psk\n id = gw.example.org\n", "load": "auth = psk\n"}
    return names[me], names[peer]


def swanctl_conf(conns, keys):
    secrets = "" if keys else "secrets { ike-a { secret = \"a key that thousands share\"\n } }\n"
    return f"connections {{\n{''.join(conns)}}}\n{secrets}"


def load_conf(proposals, keys):
    mine, theirs = sides(keys, "load", "gw")
    return swanctl_conf([CONN.format(name="load", local="%any", remote="10.99.0.1", proposals=proposals, mine=mine,
                                     theirs=theirs, local_ts="dynamic", remote_ts="10.100.0.0/16")], keys)


def responder_conf(proposals, keys):
    mine, theirs = sides(keys, "gw", "load")
    return swanctl_conf([CONN.format(name="gw", local="10.99.0.1", remote="%any", proposals=proposals, mine=mine,
                                     theirs=theirs, local_ts="10.100.0.0/16", remote_ts="dynamic")], keys)


def callers_address(n):
    return f"10.{96 + (n >> 16)}.{n >> 8 & 255}.{n & 255}"


def initiator_conf(proposals, keys, count):
    mine, theirs = sides(keys, "gw", "load")
    return swanctl_conf([CONN.format(name=f"c{n}", local="10.99.0.1", remote=callers_address(n + 1), mine=mine,
                                     proposals=proposals, theirs=theirs, local_ts="10.100.0.0/16", remote_ts="dynamic")
                         for n in range(count)], keys)


# ---- daemons ----

class Daemon:
    def __init__(self, host):
        self.host = host
        self.vici = os.path.join(host.dir, "vici")

    def clean(self):
        for path in (self.vici, os.path.join(self.host.dir, "charon.log")):
            if os.path.exists(path):
                os.unlink(path)

    def cpu(self):
        """Seconds that all of its threads have had."""
        total, tasks = 0, f"/proc/{self.process.pid}/task"
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total / 1e9

    def memory(self):
        """Bytes."""
        with open(f"/proc/{self.process.pid}/smaps_rollup", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))

    def stop(self):
        self.process.stop()


class Pavise(Daemon):
    name, most = "pavise-iked", 1000000

    @staticmethod
    def missing(_case):
        return ""

    def start(self, conf):
        self.clean()
        settings = self.host.file("strongswan.conf", f"charon {{ {PATIENT} }}\n")
        self.process = self.host.iked(conf, "--strongswan-conf", settings)
        self.wait_until_configured()

    # Its socket is there before thousands of connections have been read; it answers after that.
    def wait_until_configured(self):
        name = b"version"
        with socket.socket(socket.AF_UNIX) as vici:
            vici.settimeout(300)
            vici.connect(self.vici)
            vici.sendall((len(name) + 2).to_bytes(4, "big") + bytes([0, len(name)]) + name)
            if not vici.recv(4):
                raise Failed(f"{self.name} does not answer:\n{self.process.output()}")


class Charon(Daemon):
    name, most = "charon", 10000  # its log and its memory are large enough with these

    @staticmethod
    def missing(case):
        if not os.path.exists(CHARON) or not os.path.exists("/usr/sbin/swanctl"):
            return "not installed (packages charon-systemd strongswan-swanctl)"
        return "this version has no ML-KEM" if "ML-KEM" in case else ""

    def start(self, conf):
        self.clean()
        settings = self.host.file("strongswan.conf", CHARON_CONF.format(dir=self.host.dir, vici=self.vici))
        env = {"STRONGSWAN_CONF": settings, "SWANCTL_DIR": self.host.dir, "LD_PRELOAD": PRELOAD}
        self.process = self.host.start([CHARON], "charon", env=env)
        if not wait_until(lambda: os.path.exists(self.vici), 15):
            raise Failed(f"charon did not start:\n{self.process.output()}")
        path = self.host.file("swanctl.conf", conf)
        done = self.host.try_run(["env", f"SWANCTL_DIR={self.host.dir}", "swanctl", "--load-all", "--file", path,
                                  "--uri", f"unix://{self.vici}"], timeout=300)
        if done.returncode:
            raise Failed(f"swanctl --load-all: {done.stdout[-2000:]}{done.stderr[-2000:]}")


DAEMONS = {"pavise": Pavise, "charon": Charon}


# ---- measuring ----

class Bed:
    def __init__(self, lab):
        self.gw, self.load = lab.host("gw"), lab.host("load")
        lab.wire(self.gw, "eth0", self.load, "eth0")
        self.gw("ip address add 10.99.0.1/24 dev eth0")
        self.gw("ip route add 10.96.0.0/15 via 10.99.0.2")
        self.load("ip address add 10.99.0.2/24 dev eth0")
        self.load("ip route add local 10.96.0.0/15 dev lo")
        executor = self.gw.start([LOAD, "executor"], "executor")
        if not executor.wait_for("ready"):
            raise Failed(f"no executor: {executor.output()}")

    def run(self, daemon, words):
        """One run of the generator; what it and the daemon did."""
        before, said = daemon.cpu(), time.monotonic()
        run = self.load.start([LOAD, *words], "ike_load")
        while run.alive():
            time.sleep(0.05)
            if time.monotonic() - said > 10:
                said = time.monotonic()
                say(f"... {last_line(run).get('done', 0)} so far")
        last = last_line(run)
        if run.popen.returncode or not last.get("end"):
            raise Failed(f"ike_load {words[0]}: {run.output()[-1500:]}")
        cpu = daemon.cpu() - before
        return {"handshakes": last["done"], "seconds": last["seconds"], "per_second": last["done"] / last["seconds"],
                "cpu_ms": cpu * 1000 / last["done"], "per_core": last["done"] / cpu}


def last_line(run):
    lines = [line for line in run.output().split("\n") if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {}


def as_responder(bed, daemon, proposals, keys, sas):
    conf = bed.load.file("load.conf", load_conf(proposals, keys))
    rows, there = [], 0
    daemon.start(responder_conf(proposals, keys))
    bed.run(daemon, ["call", "--config", conf, "--from", callers_address(1), "--count", "50"])  # warms up
    empty = daemon.memory()
    for count in sas:
        row = bed.run(daemon, ["call", "--config", conf, "--from", callers_address(100 + there), "--count",
                               str(count - there)])
        there = count
        row.update(sas=count, bytes_per_sa=(daemon.memory() - empty) / count)
        rows.append(row)
        say(f"responder, {count} IKE SAs: {row['cpu_ms']:.3f} ms, {row['bytes_per_sa'] / 1000:.1f} kB each")
    daemon.stop()
    return rows


def half_open(bed, daemon, proposals, count):
    """Bytes of an IKE SA that nobody has authenticated."""
    daemon.start(responder_conf(proposals, None))
    knock = ["/usr/bin/python3", os.path.join(HERE, "knock.py"), "10.99.0.1"]
    bed.load([*knock, callers_address(1), 50], timeout=600)  # warms up
    empty = daemon.memory()
    answered = int(bed.load([*knock, callers_address(100), count], timeout=3600))
    row = {"answered": answered, "bytes": (daemon.memory() - empty) / count}
    say(f"half-open: {answered} of {count}, {row['bytes'] / 1000:.1f} kB each")
    daemon.stop()
    return row


def as_initiator(bed, daemon, proposals, keys, count):
    conf = bed.load.file("load.conf", load_conf(proposals, keys))
    daemon.start(initiator_conf(proposals, keys, count))
    empty = daemon.memory()
    row = bed.run(daemon, ["answer", "--config", conf, "--vici", daemon.vici, "--count", str(count)])
    row.update(sas=count, bytes_per_sa=(daemon.memory() - empty) / count)
    say(f"initiator, {count} IKE SAs: {row['cpu_ms']:.3f} ms, {row['bytes_per_sa'] / 1000:.1f} kB each")
    daemon.stop()
    return [row]


def measure(bed, case, daemon, options):
    proposals, key = CASES[case]
    hosts = {"gw": bed.gw, "load": bed.load}
    keys = Keys(os.path.join(bed.gw.lab.dir, "keys"), key, hosts) if key else None
    say(f"{daemon.name}, {case}")
    told = {"case": case, "daemon": daemon.name,
            "responder": as_responder(bed, daemon, proposals, keys, [n for n in options.sas if n <= daemon.most]),
            "initiator": as_initiator(bed, daemon, proposals, keys, options.initiate)}
    if case == "PSK":
        told["half_open"] = half_open(bed, daemon, proposals, options.half_open)
    return told


# ---- telling ----

def table(results):
    print("| case | daemon | role | IKE SAs | CPU ms each | per core and second | seen per second | kB per SA |")
    print("|---|---|---|---|---|---|---|---|")
    for r in results:
        for role in ("responder", "initiator"):
            for row in r[role]:
                print(f"| {r['case']} | {r['daemon']} | {role} | {row['sas']} | {row['cpu_ms']:.3f} |"
                      f" {row['per_core']:.0f} | {row['per_second']:.0f} | {row['bytes_per_sa'] / 1000:.1f} |")
    for r in (r for r in results if "half_open" in r):
        print(f"| any | {r['daemon']} | half-open responder | {r['half_open']['answered']} | | | |"
              f" {r['half_open']['bytes'] / 1000:.1f} |")


def goals(results):
    """[what, wanted, found, met]"""
    found, by = [], {(r["case"], r["daemon"]): r for r in results}
    for case in CASES:
        ours, theirs = by.get((case, "pavise-iked")), by.get((case, "charon"))
        for role in ("responder", "initiator") if ours and theirs and theirs["responder"] else ():
            value = theirs[role][0]["cpu_ms"] / ours[role][0]["cpu_ms"]
            found.append((f"{case}, {role}: handshakes per core against charon", f">= {GOAL_RATIO}", f"{value:.2f}",
                          value >= GOAL_RATIO))
        if ours:
            value = ours["responder"][-1]["bytes_per_sa"]
            found.append((f"{case}: bytes per IKE SA and child SA", f"<= {GOAL_BYTES}", f"{value:.0f}", value <= GOAL_BYTES))
        if ours and len(ours["responder"]) > 1:
            first, last = ours["responder"][0], ours["responder"][-1]
            value = last["cpu_ms"] / first["cpu_ms"]
            found.append((f"{case}: CPU ms of a handshake with {last['sas']} IKE SAs against {first['sas']}",
                          f"<= {GOAL_GROWTH}", f"{value:.2f}", value <= GOAL_GROWTH))
    return found


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench ike", description=__doc__.split("\n", maxsplit=1)[0],
                                     epilog=__doc__.split("\n", maxsplit=2)[2],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = lambda text: sorted(int(n) for n in text.split(","))
    parser.add_argument("--sas", type=numbers, default=[1000, 10000, 50000],
                        help="IKE SAs at which the responder is measured (default 1000,10000,50000; charon to 10000)")
    parser.add_argument("--initiate", type=int, default=1000, help="IKE SAs that the daemon initiates (default 1000)")
    parser.add_argument("--half-open", type=int, default=1000, help="half-open IKE SAs (default 1000)")
    parser.add_argument("--case", default="", help="only cases with this word: " + "; ".join(CASES))
    parser.add_argument("--daemon", choices=DAEMONS, help="only this one")
    parser.add_argument("--json", default="build/bench-ike.json", help="raw figures (default build/bench-ike.json)")
    return parser.parse_args()


def main():
    options, results, left_out = arguments(), [], {}
    about = meter.machine()
    for case in (c for c in CASES if options.case.lower() in c.lower()):
        for name, kind in DAEMONS.items():
            why = kind.missing(case) if options.daemon in (None, name) else "not asked for"
            if why:
                left_out[f"{kind.name}, {case}"] = why
                continue
            with Lab() as lab:
                bed = Bed(lab)
                results.append(measure(bed, case, kind(bed.gw), options))
    about["load_after"] = os.getloadavg()[0]
    told = goals(results)
    with open(options.json, "w", encoding="utf-8") as file:
        json.dump({"machine": about, "rows": results, "left_out": left_out,
                   "goals": [dict(zip(("what", "wanted", "found", "met"), g)) for g in told]}, file, indent=1)
    table(results)
    print("\n| goal | wanted | found | |\n|---|---|---|---|")
    for what, wanted, got, met in told:
        print(f"| {what} | {wanted} | {got} | {'met' if met else 'missed'} |")
    for what, why in left_out.items():
        print(f"\nnot measured: {what}: {why}")
    print(f"\n{about['cpu']}, {about['cores']} cores, Linux {about['kernel']}, load {about['load_before']:.1f} before and"
          f" {about['load_after']:.1f} after; raw figures: {options.json}")


if __name__ == "__main__":
    main()
