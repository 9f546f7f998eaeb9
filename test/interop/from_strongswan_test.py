#!/usr/bin/python3
"""doc/from-strongswan.md, followed to the letter: on a machine where strongSwan serves a peer, the page's own commands are
run, and the peer, which nobody has touched, is served by Pavise; and the other way."""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
import strongswan
from lab import ROOT, main, wait_until
from machine import Machine
from sites import BOB, Sites

OPTIONS = {"inner": (4,), "encap": True, "child_extra": "start_action = start\n close_action = start",
           "conn_extra": "version = 2\n keyingtries = 0"}
PEER = {"inner": (4,), "encap": True, "child_extra": "start_action = none", "conn_extra": "version = 2"}
STRONGSWAN_CONF = """\
charon-systemd {
    load = random nonce openssl pem pkcs1 x509 pubkey kdf curve25519 hmac sha1 sha2 aes gcm chapoly kernel-libipsec kernel-netlink socket-default vici updown
    install_virtual_ip = no
    plugins {
        kernel-libipsec {
            allow_peer_ts = yes
            fwmark = 0x42
        }
        kernel-netlink {
            fwmark = !0x42
        }
        socket-default {
            fwmark = 0x42
        }
    }
}
"""


def page():
    """The headings of the page with the commands of their code blocks."""
    found, heading = {}, ""
    with open(os.path.join(ROOT, "doc/from-strongswan.md"), encoding="utf-8") as file:
        for line in file:
            if line.startswith("## "):
                heading = line[3:].strip()
            code = re.match(r"    +([a-z./].*)", line)
            if code and not line.lstrip().startswith(("* ", "is ", "`")) and re.match(r" {4}(   )?[^ ]", line):
                found.setdefault(heading, []).append(code[1].strip())
    return found


def served(site, tap, what):
    good = wait_until(lambda: site.alice.ping(BOB[4], 1, wait=1) == 1, 60, 0.5)
    tap.check(what, good and site.alice.ping(BOB[4], 3) == 3)


def follow(machine, tap, commands):
    for command in commands:
        done = machine.run(command, timeout=600)
        tap.check(f"$ {command}", done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:])
        yield command, done.stdout


def change_over(site, tap, machine, commands):
    said = dict(follow(machine, tap, commands))
    checked = said["pavise check"]
    tap.check("the configuration is understood", "/etc/swanctl/swanctl.conf: ok: 1 connection, 1 child" in checked
              and "/etc/strongswan.conf: ok" in checked and "of no effect here: charon." in checked, checked)
    served(site, tap, "the peer is served by Pavise")
    sas = machine.run("swanctl --list-sas").stdout
    tap.check("swanctl lists it", "sites: #" in sas and "net-net: #" in sas and "INSTALLED" in sas, sas)
    status = machine.run("pavise status").stdout
    tap.check("so does pavise status", "net-net" in status, status)
    tap.check("by pavise-iked", "pavise-iked" in machine.run("swanctl --version --daemon").stdout)


def test(lab, tap):
    if strongswan.missing():
        tap.skip("from strongSwan to Pavise", strongswan.missing())
        return
    commands = page()
    tap.equal("the page has its commands", [(k, len(v)) for k, v in commands.items()], [("Change over", 7), ("Back again", 3)])
    site = Sites(lab)
    peer = strongswan.StrongSwan(site.sun, site.config("sun", **PEER))
    machine = Machine(site.moon)
    machine.mount("/etc/strongswan.conf", STRONGSWAN_CONF)
    machine.write("/etc/swanctl/swanctl.conf", "include conf.d/*.conf\n")
    machine.write("/etc/swanctl/conf.d/sites.conf", site.config("moon", **OPTIONS))
    done = machine.run("systemctl enable --now strongswan")
    tap.check("strongSwan is in service", done.returncode == 0,
              done.stdout + done.stderr + machine.run("cat /run/units/strongswan.log").stdout)
    served(site, tap, "the peer is served by strongSwan")
    change_over(site, tap, machine, commands["Change over"])
    for _ in follow(machine, tap, commands["Back again"]):
        pass
    served(site, tap, "the peer is served by strongSwan again")
    tap.check("by charon", "charon" in machine.run("swanctl --version --daemon").stdout)
    tap.equal("and no file of Pavise is left", machine.run("find /usr/local -type f -o -type l").stdout, "")
    machine.run("systemctl stop strongswan")
    peer.stop()


if __name__ == "__main__":
    main(test, "from strongSwan to Pavise")
