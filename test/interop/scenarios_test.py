#!/usr/bin/python3
"""strongSwan's own scenarios, unmodified, with pavise-iked and pavise-xfrmd in the place of charon: eight hosts,
stock swanctl, and strongSwan's expectations. test/scenarios/passing.txt lists those that must pass; PAVISE_FULL=1 runs
all of them and ends with the score per group. `./dev scenarios` runs the whole suite, or what it is told."""
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SUITE = os.path.join(os.path.dirname(ROOT), "shared/scenarios")
ADAPTER = os.path.join(ROOT, "test/scenarios/adapter")
FULL = bool(os.environ.get("PAVISE_FULL"))
SECONDS = 850


def wanted():
    with open(os.path.join(ROOT, "test/scenarios/passing.txt"), encoding="utf-8") as f:
        names = [line.strip() for line in f if line.strip() and not line.startswith("#")]
    return names if FULL else names[:3]


def missing():
    """Why the suite cannot run here, or None."""
    if not os.path.exists(os.path.join(SUITE, "run")):
        return "strongSwan's scenarios are not here"
    done = subprocess.run([ADAPTER, "doctor"], text=True, capture_output=True)
    return done.stdout.strip() if done.returncode else None


def main():
    names = wanted()
    print("# strongSwan's scenarios")
    why = missing()
    if why:
        print(f"ok 1 - {len(names)} scenarios # SKIP {why}\n1..1")
        return 0
    with tempfile.TemporaryDirectory(prefix="pavise-scenarios-") as out:
        done = subprocess.run([os.path.join(SUITE, "run"), "--adapter", ADAPTER, "--jobs", "4" if FULL else "2", "--out", out, *names],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)
        results = os.path.join(out, "results.json")
        if not os.path.exists(results):
            print(f"ok 1 - {len(names)} scenarios # SKIP {' '.join(done.stdout.split())}\n1..1")
            return 0
        failed = report(names, out)
        with open(os.path.join(out, "score.txt"), encoding="utf-8") as f:
            print("".join(f"# {line}" for line in f), end="")
    print(f"1..{len(names)}")
    return 1 if failed else 0


def report(names, out):
    """One line a scenario; below a failed one what it expected in vain."""
    failed = 0
    for number, name in enumerate(names, 1):
        with open(os.path.join(out, name, "result.json"), encoding="utf-8") as f:
            status = json.load(f)["status"]
        good = status == "PASS"
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {name}" + (" # SKIP what it needs is not installed" if status == "SKIP" else ""))
        if status == "FAIL":
            with open(os.path.join(out, name, "eval.log"), encoding="utf-8", errors="replace") as f:
                print("".join("#   " + line for line in f if line.startswith("FAIL")), end="")
    return failed


if __name__ == "__main__":
    sys.exit(main())
