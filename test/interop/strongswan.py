"""strongswan - Debian's charon with its kernel-libipsec plugin (user-space ESP) on a host of the lab.

kernel-libipsec speaks tunnel mode in UDP only, without ESN: what it can, it must do with us.
"""
import contextlib
import os

from lab import Failed, wait_until

CHARON = "/usr/sbin/charon-systemd"
CONF = """\
charon-systemd {{
    load = random nonce openssl pem pkcs1 x509 pubkey kdf curve25519 hmac sha1 sha2 aes gcm chapoly kernel-libipsec kernel-netlink socket-default vici updown
    filelog {{ log {{ path = {dir}/charon.log
                      default = 1
                      flush_line = yes }} }}
    journal {{ default = -1 }}
    install_virtual_ip = no
    {extra}
    plugins {{
        vici {{ socket = unix://{vici} }}
        kernel-libipsec {{ allow_peer_ts = yes
                           fwmark = 0x42 }}
        kernel-netlink {{ fwmark = !0x42 }}
        socket-default {{ fwmark = 0x42 }}
    }}
}}
"""


def missing():
    """Why the peer cannot run here, or ''."""
    for path in (CHARON, "/usr/sbin/swanctl", "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so"):
        if not os.path.exists(path):
            return f"{path} is missing (packages charon-systemd strongswan-swanctl libstrongswan-extra-plugins)"
    return ""


class StrongSwan:
    def __init__(self, host, config, extra="", root=""):
        """root: a root file system with a strongSwan of its own, for another version than the host's."""
        self.host = host
        self.root = root
        self.vici = os.path.join(host.dir, "charon.vici")
        conf = host.file("strongswan.conf", CONF.format(dir=host.dir, vici=self.vici, extra=extra))
        self.env = {"STRONGSWAN_CONF": conf, "SWANCTL_DIR": host.dir}
        argv = [CHARON]
        if root:  # mounts are seen by this process only: ip netns exec gives it a namespace for them
            os.makedirs(root + host.dir, exist_ok=True)
            mounts = " && ".join(f"mount --bind {at} {root}{at}" for at in ("/dev", "/proc", host.dir))
            argv = ["sh", "-c", f"{mounts} && exec chroot {root} {CHARON}"]
        self.process = host.start(argv, "charon", env=self.env)
        if not wait_until(lambda: os.path.exists(self.vici), 15):
            raise Failed(f"charon did not start:\n{self.process.output()}")
        path = host.file("swanctl.conf", config)
        self.swanctl("--load-all", "--file", path)

    def swanctl(self, *arguments, timeout=60, check=True):
        done = self.host.try_run(["env", *(f"{k}={v}" for k, v in self.env.items()), "swanctl", *arguments, "--uri",
                                  f"unix://{self.vici}"], timeout=timeout)
        if check and done.returncode:
            raise Failed(f"swanctl {' '.join(arguments)}: {done.stdout}{done.stderr}\n{self.log()}")
        return done.stdout

    def stop(self):
        self.process.stop()
        if self.root:
            os.rmdir(self.root + self.host.dir)
            with contextlib.suppress(OSError):  # of another host there may be one, too
                os.rmdir(os.path.dirname(self.root + self.host.dir))
        if os.path.exists(self.vici):
            os.unlink(self.vici)

    def log(self):
        path = os.path.join(self.host.dir, "charon.log")
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
