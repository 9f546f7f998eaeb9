#!/usr/bin/python3
"""pavise-xfrmd answers every message of contract_cases.py as a kernel with ESP does (contract.py)."""
import os
import re
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
import contract
import realkernel
from lab import PRELOAD, XFRMD, main

# What a kernel with Mobile IPv6 takes, or looks at more closely.
MOBILE = r"^NEWSA: Mobile IPv6, protocol \d+, (mode [012]|with an SPI)$"
# Where we mean to differ: names of cases, and why.
DIFFERENT = (
    (r"^(NEWSA|UPDSA): attribute 14\b", "care-of addresses are Mobile IPv6's and not kept"),
    (r"^NEWSA: security context of (8 with 0|12 with 4)", "no security module looks at labels: they are not kept"),
    (MOBILE, "Mobile IPv6: answered as by a kernel without it"),
    (r"^NEWSA: mode 4, any family", "BEET takes the inner addresses from the selector"),
    (r"^NEWSA: SPI 0x0", "RFC 4303 2.1: SPI 0 is never sent"),
    (r"^NEWSA: families mixed", "an IPv4 address is four bytes, the rest is not kept"),
    (r"^NEWSA: enc alone", "RFC 8221 4: encryption without authentication is refused"),
    (r"^NEWSA: auth(-trunc)?, [01] bits", "no authentication with an empty key"),
    (r"^NEWSA: (aead|auth|auth-trunc), 159 bits", "keys are whole bytes"),
    (r"^NEWSA: auth(-trunc)?, 4294967295 bits", "the kernel's sum overflows here and takes the key for empty"),
    (r"^NEWSA: auth-trunc of (8|64) bits", "RFC 8221 6: no truncation below 96 bits"),
    (r"^NEWSA: (IPv6, )?encapsulation 1$", "the encapsulation of the drafts is not supported (kernels since 6.7 agree)"),
    (r"^ALLOCSPI: (taken|(AH, |IPComp, )?0x0 to 0x0)", "an SA is not left behind by a request that failed"),
    (r"^ALLOCSPI: (family|mode|protocol)", "what no NEWSA could complete gets no SPI"),
    (r"^NEWPOLICY: .*template of (mode [23]|protocol (43|60))", "Mobile IPv6"),
    (r"^NEWPOLICY: .*template of mode 5", "mode iptfs is Linux 6.14's"),
    (r"^MIGRATE: family (0|99)", "there is no such address family"),
    (r"IPComp", "another test's"),
)


def reason(name):
    return next((why for pattern, why in DIFFERENT if re.search(pattern, name)), None)


def compare(tap, got, want):
    groups = {}
    for name, columns in want.items():
        groups.setdefault(name.split(":")[0], []).append((name, columns))
    for group, cases in groups.items():
        wrong = []
        for name, columns in cases:
            mine = got.get(name)
            if mine is None or (mine[:4] != columns and not reason(name)):
                wrong.append(f"{name}\n  kernel {columns}\n  pavise {mine}")
        tap.check(f"{group}: {len(cases)} messages are answered as by a kernel", not wrong, "\n".join(wrong[:20]))
    tap.equal("SAs of Mobile IPv6 are not supported", {columns[0] for name, columns in got.items() if re.search(MOBILE, name)}, {"93"})
    silent = [name for name, columns in got.items() if columns[0] != "0" and columns[4] != "+"]
    tap.check("every refusal comes with a sentence", not silent, "\n".join(silent[:20]))
    blamed = sum(" at " in columns[0] for columns in got.values())
    tap.check("attributes that are to blame are pointed at", blamed > 300, blamed)
    stale = [pattern for pattern, _ in DIFFERENT[:-1] if not any(
        re.search(pattern, name) and got.get(name, [])[:4] != want[name] for name in want)]
    tap.check("every difference on the list is still one", not stale, stale)


# What a kernel looks at only behind the algorithms, and one without ESP has none.
UNJUDGED = r"keepalive 5(, encapsulation)?$|direction 1, keepalive 5|direction 1, flags 128, 0 in"


def compare_young(tap, got, want):
    wrong = []
    for name, (errno,) in want.items():
        mine = got.get(name)
        expected = "0" if errno in ("38", "93") else errno
        if mine is None or (mine[0] != expected and not re.search(UNJUDGED, name)):
            wrong.append(f"{name}\n  kernel {errno}\n  pavise {mine}")
    tap.check(f"direction, CPU, keepalive: {len(want)} messages are judged as by a kernel of today", not wrong, "\n".join(wrong[:20]))


def test(lab, tap):
    host = lab.host("executor")
    xfrmd = host.xfrmd("--legacy")
    want = contract.expected()
    got = contract.transcript(host._wrap([]), [f"LD_PRELOAD={PRELOAD}"])
    tap.equal("every message was sent", list(got), list(want))
    compare(tap, got, want)
    got = contract.transcript(host._wrap([]), [f"LD_PRELOAD={PRELOAD}"], "--young")
    compare_young(tap, got, contract.expected(contract.EXPECTED_YOUNG))
    tap.check("pavise-xfrmd is alive", xfrmd.alive())
    if not os.environ.get("PAVISE_FULL") or realkernel.missing():
        tap.skip("the recorded answers are a kernel's", "only in the full run, and with a real kernel at hand")
        return
    with tempfile.NamedTemporaryFile("w") as file:
        contract.record(realkernel.BED, file.name)
        with open(file.name, encoding="utf-8") as new, open(contract.EXPECTED, encoding="utf-8") as old:
            tap.check("the recorded answers are a kernel's", new.read() == old.read())


if __name__ == "__main__":
    if not os.path.exists(XFRMD):
        sys.exit(f"{XFRMD} is not built")
    main(test, "the netlink contract")
