#!/usr/bin/python3
"""executor = kernel: the same diplomat drives the Linux kernel's own XFRM.

On this host's kernel as far as it goes (IKE without ESP support must fail for the child SA alone, and
say why); in a real kernel with ESP where the test bed for that is at hand (../shared/realkernel next to
the checkout): tunnel, ping, rekeying."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import ROOT, main
from sites import ALICE, BOB, Sites

BED = os.path.join(ROOT, "../shared/realkernel/realkernel")


def host_has_esp():
    """Does the running kernel take an ESP state?"""
    from lab import run
    run("ip netns add pvprobe")
    try:
        done = subprocess.run(["ip", "-n", "pvprobe", "xfrm", "state", "add", "src", "192.0.2.1", "dst", "192.0.2.2", "proto",
                               "esp", "spi", "0x100", "mode", "tunnel", "aead", "rfc4106(gcm(aes))", "0x" + "11" * 20, "128"],
                              capture_output=True, check=False)
        return done.returncode == 0
    finally:
        run("ip netns del pvprobe")


def tunnel(site, tap):
    """The whole job on a kernel with ESP."""
    for outer, encap in ((4, False), (4, True), (6, False)):
        name = f"kernel ESP, {'UDP' if encap else 'raw'} over IPv{outer}"
        site.start(executor="kernel", outer=outer, encap=encap, inner=(4, 6))
        site.up()
        tap.equal(f"{name}: ping passes", (site.alice.ping(BOB[4], 3), site.alice.ping(BOB[6], 3)), (3, 3))
        tap.equal(f"{name}: ping the other way passes", site.bob.ping(ALICE[4], 3), 3)
        for what in ("net-net", "sites"):
            done = site.moon.pavise("rekey", what)
            tap.check(f"{name}: {what} is rekeyed", done.returncode == 0, done.stdout + done.stderr)
            tap.equal(f"{name}: ping passes after that", site.alice.ping(BOB[4], 3), 3)
        done = site.moon.pavise("down", "sites")
        state = site.moon("ip xfrm state")
        tap.check(f"{name}: closed, the kernel holds no SA any more", done.returncode == 0 and "proto esp" not in state, state)
        for process in site.iked.values():
            process.stop()
        left = site.moon("ip xfrm policy")
        tap.check(f"{name}: the daemon stops and leaves no policy", "tmpl" not in left, left)


def without_esp(site, tap):
    site.start(executor="kernel", inner=(4,))
    done = site.moon.pavise("up", "net-net")
    said = done.stdout + done.stderr
    tap.check("kernel without ESP: the child SA fails, and the reason is said", done.returncode != 0
              and re.search(r"kernel|ESP|not supported", said), said)
    tap.check("kernel without ESP: the daemons live on", all(p.alive() for p in site.iked.values()))


def test(lab, tap):
    site = Sites(lab)
    if host_has_esp():
        tunnel(site, tap)
        return
    without_esp(site, tap)
    lab.close()
    if not os.access(BED, os.X_OK) or not os.path.exists("/usr/bin/linux.uml"):
        tap.skip("kernel with ESP", "this kernel has no ESP, and there is no test bed for another one")
        return
    done = subprocess.run([BED, "--timeout", "400", "--mem", "512", os.path.abspath(__file__)], text=True, errors="replace",
                          capture_output=True, timeout=500)
    for line in done.stdout.replace("\r", "").split("\n"):
        found = re.match(r"(not )?ok \d+ - (.*)", line)
        if found:
            tap.check("in a real kernel: " + found[2], not found[1])
        elif line.startswith("#"):
            tap.note(line[1:].strip())
    tap.check("the real kernel's tests ran to their end", done.returncode == 0 and "1.." in done.stdout,
              done.stdout[-2000:] + done.stderr[-500:])


if __name__ == "__main__":
    main(test, "executor = kernel")
