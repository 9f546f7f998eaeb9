"""realkernel - a Linux kernel that has ESP, AH and IPComp, where this host's has not: ../shared/realkernel next to the checkout.

A test that wants it calls itself again in there: again() boots, runs the program with the arguments given, and tells its checks
as this program's own.
"""
import os
import re
import subprocess
import tempfile

from lab import ROOT, SANITIZED, run

BED = os.path.join(ROOT, "../shared/realkernel/realkernel")
KEPT = ("PAVISE_BUILD", "PAVISE_LIBRESWAN_DEB")  # of the environment
TUN = "[ -c /dev/net/tun ] || { modprobe -q tun; mkdir -p /dev/net; mknod /dev/net/tun c 10 200; }\n"


def missing():
    """Why there is no such kernel, or ''."""
    if SANITIZED:
        return "a build with sanitizers finds no room for its shadow in that kernel's memory"
    there = os.access(BED, os.X_OK) and os.path.exists("/usr/bin/linux.uml")
    return "" if there else "this kernel has no ESP, and there is no test bed for another one"


def host_has_esp():
    """Does the running kernel take an ESP state?"""
    name = f"pvprobe{os.getpid()}"
    run(f"ip netns add {name}")
    try:
        done = subprocess.run(["ip", "-n", name, "xfrm", "state", "add", "src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp",
                               "spi", "0x100", "mode", "tunnel", "aead", "rfc4106(gcm(aes))", "0x" + "11" * 20, "128"],
                              capture_output=True, check=False)
        return done.returncode == 0
    finally:
        run(f"ip netns del {name}")


def boot(text, seconds=400, mem=512):
    """Runs a shell script in the other kernel to its end."""
    kept = [word for name in KEPT if name in os.environ for word in ("--env", f"{name}={os.environ[name]}")]
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as script:
        script.write(text)
        script.flush()
        return subprocess.run([BED, "--timeout", str(seconds), "--mem", str(mem), *kept, script.name], text=True,
                              errors="replace", capture_output=True, timeout=seconds + 100, check=False)


def again(program, *arguments, **limits):
    """The same test program in the other kernel; retell() says what came of it."""
    return boot(TUN + " ".join(["exec /usr/bin/python3", os.path.abspath(program), *arguments]) + "\n", **limits)


def retell(done, tap, title="the real kernel's tests", note=None):
    """Its checks as ours. note: what takes the lines that are no checks, in the place of tap.note."""
    for line in done.stdout.replace("\r", "").split("\n"):
        found = re.match(r"(not )?ok \d+ - (.*)", line)
        if found and "# SKIP" in found[2]:
            tap.skip(*found[2].split(" # SKIP ", 1))
        elif found:
            tap.check("in a real kernel: " + found[2], not found[1])
        elif line.startswith("#"):
            (note or tap.note)(line[1:].strip())
    tap.check(f"{title} ran to their end", done.returncode == 0 and "1.." in done.stdout, done.stdout[-2000:] + done.stderr[-500:])
