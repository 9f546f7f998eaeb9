#!/usr/bin/python3
"""Both daemons as services of a real systemd, confined as their units say: it boots in a container over this machine's own
files, which are not changed, and a peer stands beside it. What a stand-in for systemctl cannot show: that the confinement
leaves them all that they need."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import IKED, ROOT, main

BUILD = os.path.dirname(os.path.dirname(IKED))
CONFIG = """
connections {
    site-to-site {
        remote_addrs = 192.0.2.%s
        local {
            auth = psk
            id = %s
        }
        remote {
            auth = psk
            id = %s
        }
        children {
            net-net {
                local_ts = 10.%s.0.0/16
                remote_ts = 10.%s.0.0/16
                start_action = trap
                updown = %s
            }
        }
    }
}
secrets {
    ike {
        secret = "the two of us know it"
    }
}
"""
# As Debian's packages say. Both want packet sockets.
PLUGINS = """
charon {
    load_modular = yes
    plugins {
        farp {
            load = yes
        }
        dhcp {
            load = yes
        }
    }
}
"""
BOOT = """
mount --make-rprivate /
mount -t tmpfs tmpfs {dir}/disk
mkdir {dir}/disk/upper {dir}/disk/work {dir}/disk/root
mount -t overlay overlay -o lowerdir=/,upperdir={dir}/disk/upper,workdir={dir}/disk/work {dir}/disk/root
rm -rf {dir}/disk/root/etc/systemd/system/*.wants
exec systemd-nspawn -q -D {dir}/disk/root --register=no --keep-unit --private-network --capability=all \\
    --bind=/dev/net/tun --bind={root} --bind={dir}/shared -b systemd.run={dir}/shared/story.sh \\
    systemd.run_success_action=exit systemd.run_failure_action=exit-force
"""
# What the machine does once it is up. Each line "name=words" is looked at afterwards.
STORY = """#!/bin/sh
cd {dir}/shared
exec >log 2>&1
told() {{ echo "$1=$2" >>told; }}
answers() {{ ping -n -q -c "$1" -i 0.2 -W 2 10.2.0.1 | sed -n 's/.* \\([0-9]*\\) received.*/\\1/p'; }}
meson install -C {build} --no-rebuild >/dev/null || told install failed
systemctl daemon-reload
ip netns add sun
ip link add eth0 type veth peer name eth1 netns sun
ip address add 192.0.2.1/24 dev eth0
ip address add 10.1.0.1/16 dev lo
ip link set eth0 up
for what in 'link set lo up' 'address add 192.0.2.2/24 dev eth1' 'address add 10.2.0.1/16 dev lo' 'link set eth1 up'; do
    ip -n sun $what
done
mkdir -p /etc/swanctl
cp moon.conf /etc/swanctl/swanctl.conf
cp strongswan.conf /etc/strongswan.conf
printf '#!/bin/sh\\necho $PLUTO_VERB >>/run/updown-ran\\n' >/run/updown
chmod +x /run/updown
beside() {{ ip netns exec sun sh -c "mount -t tmpfs tmpfs /run && exec {build}/daemon/$*"; }}
beside pavise-xfrmd >sun.xfrmd 2>&1 &
sleep 1
beside pavise-iked --config sun.conf --state-dir {dir}/shared >sun.iked 2>&1 &
sleep 2

systemctl enable --now pavise-xfrmd pavise-iked
told started $?
told first "$(answers 3)"
systemctl reload pavise-iked
told reloaded $?
told running "$(systemctl is-active pavise-xfrmd pavise-iked | tr '\\n' ' ')"
for unit in pavise-iked pavise-xfrmd; do
    systemctl kill -s KILL $unit
    for i in $(seq 20); do
        sleep 0.5
        [ "$(systemctl show -p NRestarts --value $unit)" = 1 ] && [ "$(systemctl is-active $unit)" = active ] && break
    done
    told "killed $unit" "$(systemctl is-active $unit)"
done
for i in $(seq 40); do
    [ "$(answers 1)" = 1 ] && break
    sleep 0.5
done
told after "$(answers 3)"
told script "$(head -1 /run/updown-ran)"
systemctl disable --now pavise-iked pavise-xfrmd
told stopped $?
told left "$(ip rule | grep -c 'proto 150') $(ip link | grep -c pavise0) $(nft list tables | grep -c pavise) $(systemctl is-failed pavise-iked pavise-xfrmd | tr '\\n' ' ')"
journalctl -b -u pavise-iked -u pavise-xfrmd -o cat >journal
told errors "$(journalctl -b -p err -q -o cat _SYSTEMD_UNIT=pavise-iked.service + _SYSTEMD_UNIT=pavise-xfrmd.service | tr '\\n' ';')"
told warnings "$(journalctl -b -p warning -q -o cat _SYSTEMD_UNIT=pavise-iked.service | grep -c 'executor has started anew')"
"""


def reason_not():
    """Why it cannot be tried here, or None."""
    if not os.path.exists("/lib/systemd/systemd") or not shutil.which("systemd-nspawn"):
        return "systemd or systemd-nspawn is not installed (packages systemd, systemd-container)"
    probe = subprocess.run(["unshare", "-m", "sh", "-c", "mount --make-rprivate / && mkdir -p /run/pavise-probe && "
                            "mount -t tmpfs t /run/pavise-probe && cd /run/pavise-probe && mkdir u w r && "
                            "mount -t overlay o -o lowerdir=/,upperdir=u,workdir=w r; s=$?; "
                            "umount -l /run/pavise-probe; rmdir /run/pavise-probe; exit $s"],
                           capture_output=True, text=True, check=False, timeout=30)
    return None if probe.returncode == 0 else "no overlay file system here: " + probe.stderr.strip()


def boot(folder):
    shared = os.path.join(folder, "shared")
    places = {"dir": folder, "root": ROOT, "build": BUILD}
    os.makedirs(shared)
    os.makedirs(os.path.join(folder, "disk"))
    files = {"moon.conf": CONFIG % ("2", "moon", "sun", "1", "2", "/run/updown"), "sun.conf": CONFIG % ("1", "sun", "moon", "2", "1", ""),
             "strongswan.conf": PLUGINS, "story.sh": STORY.format(**places), "boot.sh": BOOT.format(**places)}
    for name, text in files.items():
        with open(os.path.join(shared, name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(os.path.join(shared, name), 0o700)
    machine = subprocess.run(["unshare", "-m", "sh", "-e", os.path.join(shared, "boot.sh")], capture_output=True, text=True, check=False,
                             errors="replace", stdin=subprocess.DEVNULL, timeout=120)
    told = {}
    for name in ("told", "log", "journal"):
        path = os.path.join(shared, name)
        told[name] = open(path, encoding="utf-8", errors="replace").read() if os.path.exists(path) else ""
    console = re.sub(r"\x1b[^a-zA-Z]*[a-zA-Z]", "", machine.stdout + machine.stderr)
    return dict(line.split("=", 1) for line in told["told"].splitlines() if "=" in line), told, console


def test(lab, tap):
    why = reason_not()
    if why:
        tap.skip("services of systemd", why)
        return
    said, files, console = boot(lab.dir)
    if "Welcome to" not in console and not said:
        tap.skip("services of systemd", "no container comes up here: " + (console.strip().splitlines() or ["no word"])[-1])
        return
    detail = "\n".join((str(said), files["log"][-2000:], files["journal"][-4000:], console[-2000:]))
    wanted = (("both services start, with all that their units forbid", "started", "0"),
              ("the first packets wait for the tunnel", "first", "3"),
              ("systemctl reload", "reloaded", "0"),
              ("... and both go on", "running", "active active "),
              ("a killed diplomat is started again", "killed pavise-iked", "active"),
              ("a killed executor is started again", "killed pavise-xfrmd", "active"),
              ("and the tunnel carries packets", "after", "3"),
              ("updown scripts run", "script", "up-client"),
              ("they stop when told", "stopped", "0"),
              ("nothing is left: rules, device, tables of nft, failed units", "left", "0 0 0 inactive inactive "),
              ("nothing that they say is an error", "errors", ""),
              ("a warning is one in the journal", "warnings", "1"))
    for what, name, want in wanted:
        tap.equal(what, said.get(name), want)
    lines = files["journal"].splitlines()
    own = [line for line in lines if "iked: ready" in line]
    tap.check("the journal has their lines, without a time of their own", own and all(line.startswith("iked: ready") for line in own))
    if tap.failed:
        tap.note(detail)


if __name__ == "__main__":
    main(test, "services of systemd")
