#!/usr/bin/python3
"""What the daemons have left of root's powers once they run, in every thread."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import SANITIZED, main, wait_until

CAPS = {"CHOWN": 0, "DAC_OVERRIDE": 1, "NET_BIND_SERVICE": 10, "NET_ADMIN": 12, "NET_RAW": 13}
MAY = {"xfrmd": ("NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE"),
       "iked": ("NET_ADMIN", "NET_BIND_SERVICE", "DAC_OVERRIDE")}


def threads(pid):
    """The status of each thread: [{key: value}]."""
    out = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="utf-8") as file:
            out.append(dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line))
    return out


def test(lab, tap):
    moon = lab.host("moon")
    daemons = {"xfrmd": moon.xfrmd("--no-raw", "--log-level", "info"), "iked": moon.iked("connections { }\n", "--log-level", "info")}
    wait_until(lambda: len(threads(daemons["xfrmd"].pid)) >= 2)
    for name, daemon in daemons.items():
        found = threads(daemon.pid)
        keep = sum(1 << CAPS[cap] for cap in MAY[name])
        tap.check(f"{name}: has more than one thread, so that all are looked at", len(found) > 1, found)
        for key in ("CapPrm", "CapEff", "CapBnd"):
            tap.equal(f"{name}: {key} is {', '.join(MAY[name])}", {int(t[key], 16) & ~keep for t in found}, {0})
        tap.equal(f"{name}: nothing inheritable", {int(t["CapInh"], 16) for t in found}, {0})
        tap.equal(f"{name}: no new privileges", {t["NoNewPrivs"] for t in found}, {"1"})
        if SANITIZED or "this build does not limit its system calls" in daemon.output():
            tap.skip(f"{name}: system calls are filtered", "a build with sanitizers")
        else:
            tap.equal(f"{name}: system calls are filtered", {t["Seccomp"] for t in found}, {"2"})
        with open(f"/proc/{daemon.pid}/limits", encoding="utf-8") as file:
            core = next(line.split()[4:6] for line in file if line.startswith("Max core"))
        tap.equal(f"{name}: dumps no core", core, ["0", "0"])
    done = moon.try_run("nft list ruleset")
    tap.check("the guard's program still runs under it", "nothing can keep" not in daemons["xfrmd"].output(),
              done.stdout)
    for name, daemon in daemons.items():
        tap.equal(f"{name} ends as it should", daemon.stop(), 0)


if __name__ == "__main__":
    main(test, "sandbox")
