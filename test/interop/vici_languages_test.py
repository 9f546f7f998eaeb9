#!/usr/bin/python3
"""strongSwan's VICI clients for Perl, Ruby and Go, unchanged, each with a program of a page (test/interop/clients):
commands, streams, lists and sections in requests, refusals, events."""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "net"))
from lab import main
from sites import Sites

WANTED = {"daemon": "pavise-iked", "initiate": "yes", "sas": "sites", "pool": "1", "size": "254", "terminate": "yes"}
GOVICI = os.environ.get("GOVICI", "")


def runs(*command):
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def go(lab):
    """Builds the client with the package whose sources are in GOVICI."""
    folder = os.path.join(lab.dir, "go")
    os.mkdir(folder)
    shutil.copy(os.path.join(HERE, "clients", "client.go"), os.path.join(folder, "main.go"))
    with open(os.path.join(folder, "go.mod"), "w", encoding="ascii") as f:
        f.write("module client\ngo 1.18\nrequire github.com/strongswan/govici v0.0.0\n"
                f"replace github.com/strongswan/govici => {os.path.abspath(GOVICI)}\n")
    env = dict(os.environ, GOFLAGS="-mod=mod", GOPROXY="off", GOCACHE=os.path.join(folder, "cache"), CGO_ENABLED="0")
    done = subprocess.run(["go", "build", "-o", "client"], cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [os.path.join(folder, "client")]


def clients(lab):
    """(name, command or None, why there is none, does it hear events)"""
    here = {name: os.path.join(HERE, "clients", f"client.{name}") for name in ("pl", "rb")}
    perl, ruby = runs("perl", "-MVici::Session", "-e1"), bool(shutil.which("ruby")) and runs("ruby", "-rvici", "-e0")
    golang = bool(shutil.which("go")) and os.path.isdir(GOVICI)
    return [("Perl", ["perl", here["pl"]] if perl else None, "no module Vici::Session (CPAN, or strongSwan's sources by PERL5LIB)", False),
            ("Ruby", ["ruby", here["rb"]] if ruby else None, "no Ruby with vici.rb (strongSwan's sources by RUBYLIB)", True),
            ("Go", go(lab) if golang else None, "no Go, or no sources of govici (GOVICI=DIR)", True)]


def test(lab, tap):
    found = clients(lab)
    if not any(command for _, command, _, _ in found):
        for name, _, why, _ in found:
            tap.skip(f"strongSwan's {name} client", why)
        return
    site = Sites(lab).start(inner=(4,))
    for name, command, why, hears in found:
        if not command:
            tap.skip(f"strongSwan's {name} client", why)
            continue
        done = subprocess.run([*command, site.moon.vici], capture_output=True, text=True, timeout=60, check=False)
        said = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
        tap.equal(f"{name}: commands and streams", ({key: said.get(key) for key in WANTED}, done.stderr), (WANTED, ""))
        tap.check(f"{name}: a mistake is refused with its sentence", "/40" in said.get("mistake", ""), done.stdout)
        if hears:
            tap.check(f"{name}: hears child-updown", said.get("event", "").startswith("child-updown") and
                      "sites" in said["event"], done.stdout)


if __name__ == "__main__":
    main(test, "VICI clients in other languages")
