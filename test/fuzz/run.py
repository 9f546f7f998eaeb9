#!/usr/bin/python3
"""run - libFuzzer on one target or all: test/fuzz/run.py [--tap] [TARGET [SECONDS]].

New inputs that reach new code are kept in build/fuzz-corpus/TARGET; a crash is written beside them
and named. `./dev fuzz` builds the targets first.
"""
import glob
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def fuzz(target, seconds):
    """Runs one target; (exit status, last lines)."""
    program = os.path.join(ROOT, "build/fuzz/test/fuzz", target + "_fuzz")
    grown = os.path.join(ROOT, "build/fuzz-corpus", target)
    os.makedirs(grown, exist_ok=True)
    # The executor frees after an RCU grace period: to look for leaks after each input only takes time.
    late = ["-detect_leaks=0"] if target in ("assemble", "icmp", "netlink_session", "path_in", "path_walk") else []
    done = subprocess.run([program, grown, os.path.join(ROOT, "test/fuzz/corpus", target), f"-max_total_time={seconds}",
                           "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", f"-artifact_prefix={grown}-", *late],
                          text=True, errors="replace", capture_output=True, timeout=seconds + 120)
    return done.returncode, "\n".join(done.stderr.strip().split("\n")[-12:])


def main():
    arguments = [a for a in sys.argv[1:] if a != "--tap"]
    tap = len(arguments) != len(sys.argv) - 1
    names = sorted(os.path.basename(p)[:-7] for p in glob.glob(os.path.join(ROOT, "test/fuzz/*_fuzz.c")))
    if arguments and arguments[0] not in names:
        sys.exit(f"fuzz: no target '{arguments[0]}'; there are: {', '.join(names)}")
    names = arguments[:1] or names
    seconds = int(arguments[1]) if len(arguments) > 1 else 60
    if tap and not shutil.which("clang"):
        sys.exit("fuzz: clang is missing")
    if tap:
        subprocess.run([os.path.join(ROOT, "dev"), "build", "fuzz"], check=True, capture_output=True)
    bad = 0
    for number, name in enumerate(names, 1):
        print(f"# {name}: {seconds} s", flush=True)
        status, last = fuzz(name, seconds)
        bad += status != 0
        print(f"{'not ok' if status else 'ok'} {number} - {name}", flush=True)
        print("\n".join("#   " + line for line in last.split("\n")), flush=True)
    print(f"1..{len(names)}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
