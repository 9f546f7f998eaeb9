#!/usr/bin/python3
"""Debian's charon, unmodified, on pavise-xfrmd instead of the kernel: it negotiates, rekeys, reads counters and
deletes through the preload library; the packets are ours."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
from lab import PRELOAD, Failed, main, wait_until

CHARON = "/usr/sbin/charon-systemd"
SETTINGS = """\
charon-systemd {{
    load = random nonce openssl pem pkcs1 x509 pubkey constraints kdf kernel-netlink socket-default vici updown
    journal {{ default = -1 }}
    filelog {{ stderr {{ default = 1
                         knl = 2
                         flush_line = yes }} }}
    plugins {{ vici {{ socket = unix://{vici} }} }}
}}
"""
CONNECTION = """\
connections {{ net {{ version = 2
    local_addrs = {0}
    remote_addrs = {1}
    proposals = aes128gcm16-prfsha256-x25519
    local {{ auth = psk }}
    remote {{ auth = psk }}
    children {{ c {{ local_ts = {2}
        remote_ts = {3}
        life_time = 1h
        esp_proposals = {4} }} }} }} }}
secrets {{ ike-1 {{ secret = topsecret }} }}
"""
HOSTS = {"left": ("192.0.2.1", "10.1.0.1"), "right": ("192.0.2.2", "10.2.0.1")}
PROPOSALS = ("aes128gcm16", "aes256gcm16-x25519-esn", "aes256-sha256", "chacha20poly1305")


class Charon:
    def __init__(self, host, peer, proposal):
        self.host = host
        self.vici = os.path.join(host.dir, f"{proposal}.vici")
        (mine, inner), (other, outer) = HOSTS[host.name], HOSTS[peer]
        settings = host.file("strongswan.conf", SETTINGS.format(vici=self.vici))
        config = host.file("swanctl.conf", CONNECTION.format(mine, other, inner, outer, proposal))
        self.env = {"STRONGSWAN_CONF": settings, "SWANCTL_DIR": host.dir}
        self.process = host.start([CHARON], "charon", env={**self.env, "LD_PRELOAD": PRELOAD})
        if not wait_until(lambda: os.path.exists(self.vici), 15):
            raise Failed(f"charon did not start:\n{self.process.output()}")
        self.swanctl("--load-all", "--file", config)

    def swanctl(self, *arguments):
        done = self.host.try_run(["env", *(f"{k}={v}" for k, v in self.env.items()), "swanctl", *arguments,
                                  "--uri", f"unix://{self.vici}"])
        return done.stdout + done.stderr


def session(hosts, tap, proposal):
    left, right = hosts
    a, b = Charon(left, "right", proposal), Charon(right, "left", proposal)
    done = a.swanctl("--initiate", "--child", "c", "--timeout", "15")
    if tap.check(f"{proposal}: a tunnel", "initiate completed successfully" in done, done + a.process.output()[-3000:]):
        target = ["ping", "-n", "-q", "-c", "3", "-i", "0.05", "-W", "2", "-I", HOSTS["left"][1], HOSTS["right"][1]]
        tap.check(f"{proposal}: ping passes", " 3 received" in left.try_run(target).stdout)
        sas = a.swanctl("--list-sas")
        tap.check(f"{proposal}: charon reads our counters", "252 bytes,     3 packets" in sas, sas)
        done = a.swanctl("--rekey", "--child", "c")
        tap.check(f"{proposal}: rekeyed", "rekey completed" in done, done)
        tap.check(f"{proposal}: ping passes again", " 3 received" in left.try_run(target).stdout)
        a.swanctl("--terminate", "--ike", "net")
        left_over = left.ip_xfrm("xfrm state count").stdout + left.ip_xfrm("xfrm policy count").stdout
        tap.check(f"{proposal}: nothing is left over", "SAD count 0" in left_over and "OUT 0" in left_over, left_over)
    unhappy = [line for line in a.process.output().split("\n") if "received netlink error" in line]
    tap.equal(f"{proposal}: no request was refused", unhappy, [])
    a.process.stop()
    b.process.stop()


def test(lab, tap):
    if not os.path.exists(CHARON):
        tap.skip("charon on pavise-xfrmd", f"{CHARON} is missing (package charon-systemd)")
        return
    hosts = [lab.host(name) for name in HOSTS]
    lab.wire(hosts[0], "eth0", hosts[1], "eth0")
    for host in hosts:
        outer, inner = HOSTS[host.name]
        host(f"ip address add {outer}/24 dev eth0")
        host(f"ip address add {inner}/32 dev lo")
        host.xfrmd()
    for proposal in PROPOSALS:
        session(hosts, tap, proposal)


if __name__ == "__main__":
    main(test, "charon on pavise-xfrmd")
