#!/usr/bin/python3
"""What a newcomer does first: the README's configuration and its commands, on two hosts, word for word; and the manual's
example."""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import PAVISE, ROOT, main

ADDRESSES = {"moon": "192.0.2.1", "sun": "192.0.2.2"}
NETWORKS = {"moon": "10.1.0.1/16", "sun": "10.2.0.1/16"}


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def blocks(section):
    """What stands indented there, block by block, without the indent."""
    found = re.findall(r"(?:^    .*\n|^\n)+", section, re.M)
    return [re.sub(r"^    ", "", block, flags=re.M).strip() + "\n" for block in found if block.strip()]


def swapped(text):
    """For the other side, as the README says: local and remote change places."""
    for one, other in (("moon.", "sun."), ("10.1.", "10.2.")):
        text = text.replace(one, "@").replace(other, one).replace("@", other)
    return text


def two_hosts(lab):
    hosts = {name: lab.host(name) for name in ADDRESSES}
    lab.wire(hosts["moon"], "eth0", hosts["sun"], "eth0")
    for name, host in hosts.items():
        lab.address((host, "eth0", ADDRESSES[name] + "/24"), (host, "lo", NETWORKS[name]))
        os.makedirs(f"/etc/netns/{host.ns}", exist_ok=True)
        with open(f"/etc/netns/{host.ns}/hosts", "w", encoding="utf-8") as file:
            file.writelines(f"{address} {other}.example.org\n" for other, address in ADDRESSES.items())
    return hosts["moon"], hosts["sun"]


def sixty_seconds(tap, moon, sun):
    config, commands = blocks(read("README.md").split("## Sixty seconds to a tunnel")[1].split("\n## ")[0])[:2]
    commands = [line.split("#")[0].strip() for line in commands.strip().split("\n")]
    tap.equal("the README's commands are those that are tried here", commands,
              ["./dev install", "pavise check /etc/swanctl/swanctl.conf", "pavise-xfrmd & pavise-iked &", "ping 10.2.0.1", "pavise status"])
    for host, text in ((moon, config), (sun, swapped(config))):
        done = host.try_run([PAVISE, "check", host.file("checked.conf", text)])
        tap.check(f"{host.name}: pavise check has nothing to say against it", done.returncode == 0 and "ok: 1 connection" in done.stdout,
                  done.stdout + done.stderr)
        host.xfrmd()
        host.iked(text)
    tap.equal("the first packet waits for the tunnel, none is lost", moon.ping("10.2.0.1", 3), 3)
    shown = moon.pavise("status").stdout
    tap.check("pavise status shows it", all(word in shown for word in ("ESTABLISHED", "INSTALLED", "10.1.0.0/16 <-> 10.2.0.0/16")), shown)
    tap.equal("and the other way", sun.ping("10.1.0.1", 3), 3)


def manual(tap, host):
    text = read("doc/pavise-swanctl.conf.5").split(".SH EXAMPLE\n.nf\n")[1].split(".fi")[0]
    done = host.try_run([PAVISE, "check", host.file("manual.conf", text)])
    tap.check("the manual's example is taken", done.returncode == 0 and "ok: 1 connection" in done.stdout, done.stdout + done.stderr)


def test(lab, tap):
    moon, sun = two_hosts(lab)
    try:
        sixty_seconds(tap, moon, sun)
        manual(tap, moon)
    finally:
        for host in (moon, sun):
            shutil.rmtree(f"/etc/netns/{host.ns}", ignore_errors=True)


if __name__ == "__main__":
    main(test, "what the README says first")
