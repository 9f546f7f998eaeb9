#!/usr/bin/python3
"""Writes doc/scenarios.md from the results of a run of strongSwan's scenarios: the score per group, and why the others
do not pass (reasons.txt).  score.py OUT  (the run's --out; several: a later one takes the place of an earlier one)"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SUITE = os.path.join(os.path.dirname(ROOT), "shared/scenarios")
HEAD = """# strongSwan's scenarios on Pavise

`./dev scenarios` runs strongSwan's own scenarios, unmodified, with its stock swanctl: eight hosts, and checks of
`swanctl --raw`, pings, captures, `ip xfrm` and log lines. This page is written by it. `test/scenarios/passing.txt`
lists what passes every time; `./dev test` runs the first three of them, `PAVISE_FULL=1 ./dev test scenarios` all.

| group | scenarios | pass | fail | not run |
|---|---|---|---|---|
"""


def groups():
    """(name, scenarios) as the suite has them."""
    found = []
    with open(os.path.join(SUITE, "given.txt"), encoding="utf-8") as f:
        for line in f:
            if line.startswith("# group "):
                found.append((line[8:].split(":")[0], []))
            elif line.strip() and not line.startswith("#"):
                found[-1][1].append(line.strip())
    return found


def reasons():
    """Scenario -> why it does not pass."""
    with open(os.path.join(HERE, "reasons.txt"), encoding="utf-8") as f:
        lines = [line.rstrip("\n").split(None, 1) for line in f if line.strip() and not line.startswith("#")]
    return {name: why for name, why in lines}


def main():
    results, known = {}, reasons()
    for folder in sys.argv[1:]:
        with open(os.path.join(folder, "results.json"), encoding="utf-8") as f:
            results.update(json.load(f))
    total, rows, others = [0, 0, 0, 0], [], []
    for group, names in groups():
        states = [results.get(name, {"status": "SKIP", "reason": "not run"}) for name in names]
        row = [len(names)] + [sum(s["status"] == kind for s in states) for kind in ("PASS", "FAIL", "SKIP")]
        total = [a + b for a, b in zip(total, row)]
        rows.append(f"| {group} | " + " | ".join(map(str, row)) + " |\n")
        others += [(name, s) for name, s in zip(names, states) if s["status"] != "PASS"]
    rows.append("| **all** | " + " | ".join(map(str, total)) + " |\n")
    with open(os.path.join(ROOT, "doc/scenarios.md"), "w", encoding="utf-8") as f:
        f.write(HEAD + "".join(rows) + "\nThe others, and why:\n\n")
        for name, state in others:
            f.write(f"* `{name}`: {known.get(name) or state.get('reason') or 'fails'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
