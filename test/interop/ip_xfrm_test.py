#!/usr/bin/python3
"""Stock `ip xfrm` on pavise-xfrmd prints what it prints on a kernel with ESP (ip_xfrm.py)."""
import difflib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
import ip_xfrm
from lab import PRELOAD, XFRMD, main


def same(tap, title, got, want):
    difference = difflib.unified_diff(want.split("\n"), got.split("\n"), "kernel", "pavise-xfrmd", n=3, lineterm="")
    tap.check(f"like the kernel: {title}", got == want, "\n".join(difference))


def texts(host, tap):
    """Refusals carry a sentence, which iproute2 shows instead of the errno."""
    for title, arguments, words in (
            ("a tunnel that is optional", f"xfrm policy add {ip_xfrm.NETS} dir out {ip_xfrm.TMPL} level use", "optional"),
            ("a broken algorithm", ip_xfrm.sa(0x100, f"enc blowfish {ip_xfrm.key(1, 16)} auth sha1 {ip_xfrm.key(1, 20)}"), "RFC 8221"),
            ("an unknown algorithm", ip_xfrm.sa(0x100, f"enc rot13 {ip_xfrm.key(1, 16)}"), "rot13"),
            ("a wrong key", ip_xfrm.sa(0x100, f"aead 'rfc4106(gcm(aes))' {ip_xfrm.key(1, 16)} 128"), "128")):
        done = host.ip_xfrm(arguments)
        tap.check(f"a sentence explains: {title}", done.returncode == 2 and done.stderr.startswith("Error: ")
                  and words in done.stderr, done.stderr)


def absent(host, tap):
    done = host.ip_xfrm("xfrm state")
    tap.check("without pavise-xfrmd: a clear line", done.returncode != 0 and "pavise-xfrmd is not running" in done.stderr,
              done.stderr)


def test(lab, tap):
    host, dump = lab.host("executor"), lab.host("dump")
    absent(host, tap)
    xfrmd = host.xfrmd("--legacy")
    want = ip_xfrm.expected()
    got = ip_xfrm.cases(ip_xfrm.transcript([PRELOAD], host._wrap([])))
    tap.equal("every case was run", list(got), list(want))
    for title in want:
        same(tap, title, got.get(title, ""), want[title])
    texts(host, tap)
    tap.check("pavise-xfrmd is alive", xfrmd.alive())
    live(dump, tap, want)


def live(host, tap, want):
    """The recorded policies against the kernel that runs this test, if it has XFRM."""
    if host.try_run("ip xfrm policy list").returncode:
        tap.skip("the kernel here agrees about policies", "it has no XFRM")
        return
    only = [(t, c) for t, c in ip_xfrm.CASES if all(" policy " in f"{x} " for x in c)]
    ip_xfrm.CASES[:] = only
    got = ip_xfrm.cases(ip_xfrm.transcript([], host._wrap([])))
    for title, _ in only:
        tap.check(f"the kernel here agrees: {title}", got.get(title) == want[title],
                  "\n".join(difflib.unified_diff(want[title].split("\n"), got.get(title, "").split("\n"), lineterm="")))


if __name__ == "__main__":
    if not os.path.exists(XFRMD):
        sys.exit(f"{XFRMD} is not built")
    main(test, "ip xfrm")
