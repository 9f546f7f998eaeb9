#!/usr/bin/python3
"""What the shell completes, and what pavise help says: each word that is completed is one, each topic has a command to
try that there is."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import PAVISE, main
from sites import Sites

TOPICS = ["spd", "sad", "spi", "reqid", "selectors", "transport", "tunnel", "nat-t", "replay", "pfs", "rekeying"]


def bash(host, *line):
    """What bash offers for the last word of a line."""
    quoted = " ".join(f"'{w}'" for w in ("pavise", *line))
    script = (f"source <(pavise completion bash); COMP_WORDS=({quoted}); COMP_CWORD={len(line)}; _pavise; "
              "printf '%s\\n' \"${COMPREPLY[@]}\"")
    done = host.try_run(["env", f"PATH={host.dir}:{os.environ['PATH']}", "bash", "-c", script])
    return done.stdout.split() + ([done.stderr] if done.stderr else [])


def pavise(*words):
    return subprocess.run([PAVISE, *words], text=True, capture_output=True, timeout=20)


def run(lab, tap):
    site = Sites(lab)
    moon = site.moon
    moon.xfrmd()
    moon.iked(site.config("moon", inner=(4,)))
    moon.file("pavise", f'#!/bin/sh\n[ "$1 $2" = "completion names" ] && set -- "$@" --vici-socket {moon.vici}\n'
              f'exec {PAVISE} "$@"\n', 0o755)
    tap.equal("bash completes commands", bash(moon, "sta"), ["status"])
    tap.equal("... names of connections and children", sorted(bash(moon, "up", "")), ["net-net", "sites"])
    tap.equal("... options", bash(moon, "explain", "--in"), ["--inbound"])
    tap.equal("... words that are given", sorted(bash(moon, "xfrm", "st")), ["stat", "state"])
    tap.equal("... and no more than those", sorted(bash(moon, "whitelist", "")), ["add", "disable", "enable", "flush", "list", "remove"])
    tap.equal("... topics", bash(moon, "help", "nat"), ["nat-t"])
    names = [line.split()[0] for line in pavise("help").stdout.splitlines() if re.match(r"  \w", line)]
    tap.equal("every command of the help", [n for n in names if n not in bash(moon, n)], [])
    for shell, check in (("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])):
        path = moon.file(f"completion.{shell}", pavise("completion", shell).stdout)
        if shutil.which(shell):
            tap.equal(f"{shell} understands its script", subprocess.run([*check, path], check=False).returncode, 0)
        else:
            tap.skip(f"{shell} understands its script", f"no {shell} on this machine")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        tap.equal(f"{shell}: every command is in it", [n for n in names if n not in text], [])
    wrong = pavise("completion", "tcsh")
    tap.check("another shell: a sentence", wrong.returncode == 2 and "'tcsh'" in wrong.stderr)
    tap.equal("topics that there have to be", [t for t in TOPICS if pavise("help", t).returncode], [])
    listed = [line.split()[0] for line in pavise("help", "topics").stdout.splitlines() if line.startswith("  ")]
    tap.check("they are listed", set(TOPICS) <= set(listed), listed)
    tries = {t: pavise("help", t).stdout.split("try: pavise ")[-1].split()[0] for t in listed}
    tap.equal("each has a command to try", {t: c for t, c in tries.items() if c not in names}, {})
    long = {t: max(map(len, pavise("help", t).stdout.splitlines())) for t in listed}
    tap.equal("and fits a screen of 120 columns", {t: n for t, n in long.items() if n > 120}, {})
    near = pavise("help", "selector")
    tap.check("a word that is none: the nearest", "selectors" in near.stderr, near.stderr)


if __name__ == "__main__":
    main(run, "words")
