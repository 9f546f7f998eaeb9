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

    def add(self, stage, passed, failures, skips, seconds):
        self.passed += passed
        self.failed += len(failures)
        self.skipped += len(skips)
        self.failures += [f"{stage}: {f}" for f in failures]
        self.skips += [f"{stage}: {s}" for s in skips]
        self.stages.append((stage, passed, len(failures), len(skips), seconds))


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


# ---- kinds of stages; each returns (passed, failures, skips) ----

def command(name, argv):
    """A check that is one test: exit status 0 is passed; its output is shown when it is not."""
    done = subprocess.run(argv, cwd=ROOT, text=True, capture_output=True, timeout=STAGE_SECONDS)
    if done.returncode == 0:
        return 1, [], []
    show(done.stdout + done.stderr)
    return 0, [name], []


def meson(build, *tests, env=None):
    """Unit tests, simulator and corpus replay of one build; every subtest counts."""
    def stage(name):
        log = os.path.join(ROOT, build, "meson-logs/testlog.junit.xml")
        if os.path.exists(log):
            os.unlink(log)
        ours = {**os.environ, **(env or {}), "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0",
                "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
        done = subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs", *tests], cwd=ROOT,
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ours,
                              timeout=STAGE_SECONDS)
        passed, failures, skips = 0, [], []
        if os.path.exists(log):
            for case in xml.parse(log).getroot().iter("testcase"):
                label = f"{case.get('classname')}: {case.get('name')}"
                if case.find("failure") is not None or case.find("error") is not None:
                    failures.append(label)
                elif case.find("skipped") is not None:
                    skips.append(label)
                else:
                    passed += 1
        if done.returncode and not failures:
            failures.append("meson test failed without naming a test")
        if passed == 0 and not failures:
            failures.append("no test ran")
        if failures:
            show(done.stdout[-8000:])
        return passed, failures, skips
    return stage


def tap(script, *arguments, env=None):
    """A program that prints TAP; its checks are shown as they come."""
    def stage(name):
        process = subprocess.Popen(["/usr/bin/python3", os.path.join(ROOT, script), *arguments], cwd=ROOT,
                                   text=True, errors="replace", stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, env={**os.environ, **(env or {})})
        passed, failures, skips, planned, end = 0, [], [], None, time.monotonic() + STAGE_SECONDS
        for line in process.stdout:
            line = line.rstrip("\n")
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
            if time.monotonic() > end:
                process.kill()
                failures.append("took too long")
        status = process.wait()
        if planned is None or planned != passed + len(failures) + len(skips):
            failures.append(f"ended before its plan was done (exit status {status})")
        elif status and not failures:
            failures.append(f"exit status {status}")
        return passed, failures, skips
    return stage


# Most network tests wait most of the time, so three of them share the machine. These measure, or fill it:
ALONE = ("net/workers", "net/scale", "net/keepalive", "net/rekey", "interop/stock", "ASan net/workers", "ASan net/scale")
AT_ONCE = 3
THREADED = ("xfrm/engine", "xfrm/db", "xfrm/trace", "base/ring", "base/htab", "daemon/crew", "cred/revoke", "cred/trust", "cred/fetch", "vici/server")
TSAN = {"TSAN_OPTIONS": f"halt_on_error=1 exitcode=66 suppressions={ROOT}/test/tsan.supp"}  # a race ends the daemon
LONG = ("modes_kernel", "matrix", "broken")  # only in the full run


def stages(full):
    """Name -> function, in the order of the story: cheap and general first."""
    more = {"PAVISE_FULL": "1"} if full else {}
    yield "layers", lambda n: command(n, ["tools/layers"])
    yield "shape", lambda n: command(n, ["tools/shape"])
    yield "format", lambda n: command(n, ["sh", "-c", "git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror"])
    yield "unit, simulator, corpora (gcc, ASan+UBSan)", meson("build/asan")
    if full:
        yield "unit, simulator, corpora (clang)", meson("build/clang")
        yield "collisions of IKE, two mishaps each", meson("build/asan", "sim/collide", env=more)
        yield "threads (gcc, TSan)", meson("build/tsan", "--timeout-multiplier=6", *THREADED)
        for script in ("net/auth", "interop/web", "net/trace"):  # the loop; a crew that fetches; workers that are watched
            yield "TSan " + script, tap(f"test/{script}_test.py", env={"PAVISE_BUILD": "build/tsan", **TSAN})
    for script in sorted(glob.glob(os.path.join(ROOT, "test/net/*_test.py"))):
        name = os.path.basename(script)[:-8]
        if full or name not in LONG:
            yield "net/" + name, tap(os.path.relpath(script, ROOT), env=more)
    for script in sorted(glob.glob(os.path.join(ROOT, "test/interop/*_test.py"))):
        yield "interop/" + os.path.basename(script)[:-8], tap(os.path.relpath(script, ROOT), env=more)
    yield "demo", tap("test/net/demo.py", "--tap")
    if full:
        asan = {"PAVISE_BUILD": "build/asan"}
        for script in sorted(glob.glob(os.path.join(ROOT, "test/net/*_test.py"))):
            yield "ASan net/" + os.path.basename(script)[:-8], tap(os.path.relpath(script, ROOT), env=asan)
        yield "fuzz", tap("test/fuzz/run.py", "--tap")


def report(tally, seconds):
    """doc/test-full.md: what the last full run said."""
    with open(os.path.join(ROOT, "doc/test-full.md"), "w", encoding="utf-8") as out:
        out.write("# The last `./dev test full`\n\n")
        out.write(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, Linux {platform.release()}, "
                  f"{seconds / 60:.0f} minutes.\n\n| stage | passed | failed | skipped | seconds |\n|---|---|---|---|---|\n")
        for stage, passed, failed, skipped, took in tally.stages:
            out.write(f"| {stage} | {passed} | {failed} | {skipped} | {took:.0f} |\n")
        for word, lines in (("failed", tally.failures), ("skipped", tally.skips)):
            out.write("".join(f"\n* {word}: {line}" for line in lines) + ("\n" if lines else ""))
        out.write(f"\n{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped\n")


def run_stage(title, name, stage, tally):
    began = time.monotonic()
    show(paint(1, title))
    try:
        passed, failures, skips = stage(name)
    except subprocess.TimeoutExpired:
        passed, failures, skips = 0, [f"took longer than {STAGE_SECONDS} s"], []
    took = time.monotonic() - began
    word = paint(31, "FAILED") if failures else paint(32, "passed")
    show(f"      {word}: {passed} passed, {len(failures)} failed, {len(skips)} skipped, {took:.1f} s")
    with PRINTER.lock:
        tally.add(name, passed, failures, skips, took)


def run_beside(title, name, stage, tally):
    """The same for a stage that others run beside."""
    show(f"{title}: begun")
    PRINTER.keep(title)
    try:
        run_stage(title, name, stage, tally)
    finally:
        PRINTER.release()


def run_all(chosen, tally):
    """Stages of network tests run side by side; between them each other one has the machine for itself."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        beside = []
        for number, (name, stage) in enumerate(chosen, 1):
            title = f"[{number}/{len(chosen)}] {name}"
            if "/" in name and name not in ALONE:
                beside.append(pool.submit(run_beside, title, name, stage, tally))
                continue
            for done in beside:
                done.result()
            beside = []
            run_stage(title, name, stage, tally)
        for done in beside:
            done.result()


def main():
    names = sys.argv[1:]
    full = "full" in names
    names = [n for n in names if n != "full"]
    tally, start = Tally(), time.monotonic()
    chosen = [(n, f) for n, f in stages(full) if not names or any(w in n for w in names)]
    if not chosen:
        sys.exit("run: no stage has such a name; stages: " + ", ".join(n for n, _ in stages(True)))
    run_all(chosen, tally)
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
