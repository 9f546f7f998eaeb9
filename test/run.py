#!/usr/bin/python3
"""run - all tests of Pavise, stage by stage, with one line of result at the end.

    ./dev test             what has to be green before a commit
    ./dev test full        the same, the long matrices, fuzzing; writes doc/test-full.md
    ./dev test NAME...     only the stages whose names contain one of the words

A stage is a program that prints TAP (ok / not ok / # SKIP), or a check that is one test.
"""
import glob
import os
import platform
import re
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as xml
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ
STAGE_SECONDS = 900 if "full" not in sys.argv else 2400  # a stage that takes longer hangs


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0
        self.stages, self.failures, self.skips = [], [], []

    def add(self, stage, passed, failures, skips, seconds, cpu):
        self.passed += passed
        self.failed += len(failures)
        self.skipped += len(skips)
        self.failures += [f"{stage}: {f}" for f in failures]
        self.skips += [f"{stage}: {s}" for s in skips]
        self.stages.append((stage, passed, len(failures), len(skips), seconds, cpu))


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


class Printer:
    """Stages that run side by side: each keeps its lines until it has ended."""

    QUIET = 20  # seconds; then it says how far it is

    def __init__(self):
        self.lock, self.kept = threading.Lock(), threading.local()

    def show(self, text):
        lines = getattr(self.kept, "lines", None)
        if lines is None:
            print(text, flush=True)
            return
        lines.append(text)
        if time.monotonic() - self.kept.told > self.QUIET:
            self.kept.told = time.monotonic()
            with self.lock:
                print(f"{self.kept.title}: {len(lines)} lines so far", flush=True)

    def keep(self, title):
        self.kept.title, self.kept.lines, self.kept.told = title, [], time.monotonic()

    def release(self):
        lines, self.kept.lines = self.kept.lines, None
        with self.lock:
            print("\n".join(lines), flush=True)


PRINTER = Printer()
show = PRINTER.show


# ---- kinds of stages; each returns (passed, failures, skips, seconds of CPU) ----

class Child:
    """A program of a stage: its lines as they come, then its exit status, and what it and its children took of the CPUs."""

    def __init__(self, argv, env=None):
        self.process = subprocess.Popen(argv, cwd=ROOT, text=True, errors="replace", stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})})
        self.timer = threading.Timer(STAGE_SECONDS, self.process.kill)
        self.status, self.cpu, self.late = None, 0, False

    def lines(self):
        self.timer.start()
        with self.process.stdout:
            yield from (line.rstrip("\n") for line in self.process.stdout)
        _, status, used = os.wait4(self.process.pid, 0)
        self.late = self.timer.finished.is_set()
        self.timer.cancel()
        self.process.returncode = self.status = os.waitstatus_to_exitcode(status)
        self.cpu = used.ru_utime + used.ru_stime

    def failed(self):
        """Why, if it did by its end, as a list of failures."""
        if self.late:
            return [f"took longer than {STAGE_SECONDS} s"]
        return [f"exit status {self.status}"] if self.status else []


def command(*argv):
    """A check that is one test: exit status 0 is passed; its output is shown when it is not."""
    def stage(name):
        child = Child(argv)
        said = list(child.lines())
        if not child.failed():
            return 1, [], [], child.cpu
        show("\n".join(said))
        return 0, [name], [], child.cpu
    return stage


def meson(build, *tests, env=None):
    """Unit tests, simulator and corpus replay of one build; every subtest counts."""
    def stage(name):
        log = os.path.join(ROOT, build, "meson-logs/testlog.junit.xml")
        if os.path.exists(log):
            os.unlink(log)
        child = Child(["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs", *tests],
                      {**(env or {}), "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0",
                       "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"})
        said = list(child.lines())
        passed, failures, skips = junit(log) if os.path.exists(log) else (0, [], [])
        failures = failures or child.failed() or ([] if passed else ["no test ran"])
        if failures:
            show("\n".join(said)[-8000:])
        return passed, failures, skips, child.cpu
    return stage


def junit(log):
    passed, failures, skips = 0, [], []
    for case in xml.parse(log).getroot().iter("testcase"):
        label = f"{case.get('classname')}: {case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            failures.append(label)
        elif case.find("skipped") is not None:
            skips.append(label)
        else:
            passed += 1
    return passed, failures, skips


def tap(script, *arguments, env=None):
    """A program that prints TAP; its checks are shown as they come."""
    def stage(_name):
        child = Child(["/usr/bin/python3", os.path.join(ROOT, script), *arguments], env)
        passed, failures, skips, planned = 0, [], [], None
        for line in child.lines():
            found = re.match(r"(not )?ok\b[ \d]*-? ?(.*)", line)
            if found and "# SKIP" in line:
                skips.append(found[2])
            elif found and found[1]:
                failures.append(found[2])
            elif found:
                passed += 1
            elif re.match(r"1\.\.\d+$", line):
                planned = int(line[3:])
            show("      " + (paint(31, line) if found and found[1] else line))
        if planned is None or planned != passed + len(failures) + len(skips):
            failures.append(f"ended before its plan was done (exit status {child.status})")
        return passed, failures + ([] if failures and not child.late else child.failed()), skips, child.cpu
    return stage


# Network tests wait most of the time, so some share the machine. These measure what a busy machine would spoil:
ALONE = ("net/workers", "ASan net/workers")
ALONE_IN_FULL = ("interop/stock", "net/rekey")  # whose figures are written down
# On one core each, for minutes.
COMPUTING = ("fuzz", "collisions of IKE, two mishaps each", "threads (gcc, TSan)")
AT_ONCE = 4
# The long ones begin first, so that none is left over when all others have ended.
FIRST = (*COMPUTING, "build/clang", "interop/strongswan", "net/restart", "net/transport", "net/xfrmd", "net/tunnel", "net/demo", "net/rekey",
         "interop/stock", "interop/strongswan_cert", "net/af_xdp", "interop/autostart", "net/kernel")
THREADED = ("xfrm/engine", "xfrm/db", "xfrm/trace", "base/ring", "base/htab", "daemon/crew",
            "cred/revoke", "cred/trust", "cred/fetch", "vici/server")
TSAN = {"TSAN_OPTIONS": f"halt_on_error=1 exitcode=66 suppressions={ROOT}/test/tsan.supp"}  # a race ends the daemon
LONG = ("modes_kernel", "matrix", "broken")  # only in the full run


def stages(full):
    """Name -> function, in the order of the story: cheap and general first."""
    more = {"PAVISE_FULL": "1"} if full else {}
    yield "layers", command("tools/layers")
    yield "shape", command("tools/shape")
    yield "format", command("sh", "-c", "git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror")
    yield "unit, simulator, corpora (gcc, ASan+UBSan)", meson("build/asan")
    yield "build/clang", command("nice", "./dev", "build", "clang")
    if full:
        yield "unit, simulator, corpora (clang)", meson("build/clang")
        yield "collisions of IKE, two mishaps each", meson("build/asan", "sim/collide", env=more)
        yield "threads (gcc, TSan)", meson("build/tsan", "--timeout-multiplier=6", *THREADED)
        for script in ("net/auth", "interop/web", "net/trace", "net/workers"):  # the loop; a crew that fetches; workers
            yield "TSan " + script, tap(f"test/{script}_test.py", env={"PAVISE_BUILD": "build/tsan", **TSAN})
    for script in sorted(glob.glob(os.path.join(ROOT, "test/net/*_test.py"))):
        name = os.path.basename(script)[:-8]
        if full or name not in LONG:
            yield "net/" + name, tap(os.path.relpath(script, ROOT), env=more)
    for script in sorted(glob.glob(os.path.join(ROOT, "test/interop/*_test.py"))):
        yield "interop/" + os.path.basename(script)[:-8], tap(os.path.relpath(script, ROOT), env=more)
    yield "net/demo", tap("test/net/demo.py", "--tap")
    if full:
        asan = {"PAVISE_BUILD": "build/asan"}
        for script in sorted(glob.glob(os.path.join(ROOT, "test/net/*_test.py"))):
            name = os.path.basename(script)[:-8]
            if name not in ("samples", "systemd"):  # as printed by what users have, and confined as they are
                yield "ASan net/" + name, tap(os.path.relpath(script, ROOT), env=asan)
        yield "fuzz", tap("test/fuzz/run.py", "--tap")


def report(tally, seconds):
    """doc/test-full.md: what the last full run said."""
    with open(os.path.join(ROOT, "doc/test-full.md"), "w", encoding="utf-8") as out:
        out.write("# The last `./dev test full`\n\n")
        out.write(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, Linux {platform.release()}, "
                  f"{seconds / 60:.0f} minutes.\n\n| stage | passed | failed | skipped | seconds | of CPU |\n|---|---|---|---|---|---|\n")
        for stage, passed, failed, skipped, took, cpu in tally.stages:
            out.write(f"| {stage} | {passed} | {failed} | {skipped} | {took:.0f} | {cpu:.0f} |\n")
        for word, lines in (("failed", tally.failures), ("skipped", tally.skips)):
            out.write("".join(f"\n* {word}: {line}" for line in lines) + ("\n" if lines else ""))
        out.write(f"\n{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped\n")


def run_stage(title, name, stage, tally):
    began = time.monotonic()
    show(paint(1, title))
    passed, failures, skips, cpu = stage(name)
    took = time.monotonic() - began
    word = paint(31, "FAILED") if failures else paint(32, "passed")
    show(f"      {word}: {passed} passed, {len(failures)} failed, {len(skips)} skipped, {took:.1f} s ({cpu:.1f} s of CPU)")
    with PRINTER.lock:
        tally.add(name, passed, failures, skips, took, cpu)


def run_beside(title, name, stage, tally):
    """The same for a stage that others run beside."""
    show(f"{title}: begun")
    PRINTER.keep(title)
    try:
        run_stage(title, name, stage, tally)
    finally:
        PRINTER.release()


def run_all(chosen, tally, full):
    """Those that others would spoil have the machine for themselves, one by one; then the rest side by side."""
    measuring = ALONE + (ALONE_IN_FULL if full else ())
    alone = [s for s in chosen if ("/" not in s[0] and s[0] not in COMPUTING) or s[0] in measuring]
    beside = [s for s in chosen if s not in alone]
    beside.sort(key=lambda s: FIRST.index(s[0]) if s[0] in FIRST else len(FIRST))
    titled = [(f"[{number}/{len(chosen)}] {name}", name, stage) for number, (name, stage) in enumerate(alone + beside, 1)]
    for title, name, stage in titled[:len(alone)]:
        run_stage(title, name, stage, tally)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(run_beside, *each, tally) for each in titled[len(alone):]]:
            done.result()


def main():
    names = sys.argv[1:]
    full = "full" in names
    names = [n for n in names if n != "full"]
    tally, start = Tally(), time.monotonic()
    chosen = [(n, f) for n, f in stages(full) if not names or any(w in n for w in names)]
    if not chosen:
        sys.exit("run: no stage has such a name; stages: " + ", ".join(n for n, _ in stages(True)))
    run_all(chosen, tally, full)
    seconds = time.monotonic() - start
    for skip in tally.skips:
        show(f"skipped: {skip}")
    for failure in tally.failures:
        show(paint(31, f"failed: {failure}"))
    if full and not names:
        report(tally, seconds)
    show(f"({seconds:.0f} s)")
    show(f"{tally.passed} passed, {tally.failed} failed" + (f", {tally.skipped} skipped" if tally.skipped else ""))
    sys.exit(1 if tally.failed else 0)


if __name__ == "__main__":
    main()
