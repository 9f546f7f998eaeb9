#!/usr/bin/python3
"""pavise check over the corpus of mistakes: exit status, words for people with place, mark and remedy, and --json."""
import glob
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import PAVISE, ROOT, main

CONF = os.path.join(ROOT, "test/vectors/conf")
KEYS = {"file", "line", "column", "severity", "token", "what", "hint"}


def check(folder, *arguments):
    return subprocess.run([PAVISE, "check", *arguments], cwd=os.path.join(CONF, folder), text=True, capture_output=True,
                          timeout=60, env={**os.environ, "NO_COLOR": "1"})


def expected(folder, name):
    """(file, line, column, severity, what, token) of every message, from the file beside."""
    path = os.path.join(CONF, folder, name.removesuffix(".conf") + ".expect")
    lines = open(path, encoding="utf-8").read().splitlines() if os.path.exists(path) else []
    return [line for line in lines if not line.startswith("  hint: ")]


def corpus(tap, folder, status):
    """All files of a folder at once: what --json says is what is expected, in order, each with a remedy."""
    names = [os.path.basename(path) for path in sorted(glob.glob(os.path.join(CONF, folder, "*.conf")))]
    names = [name for name in names if name not in ("more-than-shown.conf",)]  # 200 messages of one kind
    done = check(folder, "--json", *names[:32])
    answers = json.loads(done.stdout)
    for at in range(32, len(names), 32):
        more = check(folder, "--json", *names[at:at + 32])
        answers += json.loads(more.stdout)
        tap.equal(f"{folder}: exit status of {at} to {at + 32}", more.returncode, status)
    tap.equal(f"{folder}: exit status", done.returncode, status)
    wrong = []
    for name, answer in zip(names, answers):
        got = [f"{i['file']}:{i['line']}:{i['column']}: {i['severity']}: {i['what']} [{i['token']}]" for i in answer["issues"]]
        if answer["file"] != name or got != expected(folder, name) or answer["ok"] != (status == 0):
            wrong.append((name, got))
        if not all(KEYS == set(i) and i["hint"] for i in answer["issues"]):
            wrong.append((name, "a key or a remedy is missing"))
    tap.equal(f"{folder}: {len(names)} files, each with its messages", wrong, [])


def people(tap):
    done = check("bad", "brace-missing-and-more.conf")
    for words in ("brace-missing-and-more.conf:4:9: error: section 'local' is opened here and never closed\n",
                  "    4 |         local {\n      |         ^~~~~\n      = hint: add the '}' that ends it\n",
                  "brace-missing-and-more.conf:14:37: error: the prefix /40 is longer than an IPv4 address\n",
                  "brace-missing-and-more.conf: 4 errors; nothing of it would be loaded\n"):
        tap.check(f"for people: {words.splitlines()[0]}", words in done.stdout, done.stdout)
    tap.check("a line that might hold a secret is not shown", "correct horse" not in done.stdout, done.stdout)
    tap.equal("a good file: exit status 0", check("good", "minimal.conf").returncode, 0)


def strongswan(tap):
    path = "/tmp/pavise-check-" + str(os.getpid())
    os.mkdir(path)
    name = os.path.join(path, "strongswan.conf")
    try:
        with open(name, "w", encoding="utf-8") as file:
            file.write("charon {\n    retransmit_tries = many\n    retransmit_timeot = 2\n}\n")
        done = check("good", "--json", name)
        said = [(i["line"], i["severity"], i["token"]) for i in json.loads(done.stdout)[0]["issues"]]
        tap.equal("strongswan.conf is judged as such", (done.returncode, said),
                  (1, [(2, "error", "retransmit_tries"), (3, "warning", "retransmit_timeot")]))
    finally:
        os.unlink(name)
        os.rmdir(path)


GATE = """\
connections {
    gate {
        local {
            auth = psk
            id = moon.example.org
        }
        remote {
            auth = eap-radius
            eap_id = %any
        }
        children {
            net {
            }
        }
    }
}
secrets {
    ike-1 {
        id = sun.example.org
        secret = "correct horse battery staple"
    }
}
"""


def radius(tap):
    """What one file asks for, and the other one has not got."""
    path = "/tmp/pavise-check-radius-" + str(os.getpid())
    os.mkdir(path)
    names = [os.path.join(path, name) for name in ("swanctl.conf", "strongswan.conf")]
    try:
        for server, want in (("", ["auth = eap-radius, and no RADIUS server is configured"]),
                             ("server = 10.1.0.10\n secret = gv6URkSs0ja\n", [])):
            for name, text in zip(names, (GATE, "charon {\n plugins {\n eap-radius {\n" + server + "}\n }\n}\n")):
                with open(name, "w", encoding="utf-8") as file:
                    file.write(text)
            done = check("good", "--json", *names)
            said = [i["what"] for part in json.loads(done.stdout) for i in part["issues"]]
            tap.equal(f"RADIUS servers: {len(want)} warnings", (done.returncode, said), (0, want))
            people_see = check("good", *names).stdout
            tap.equal("... and for people", "no RADIUS server is configured" in people_see, bool(want))
    finally:
        for name in names:
            os.unlink(name)
        os.rmdir(path)


def triplets(tap):
    """The file of triplets is read, too."""
    path = "/tmp/pavise-check-triplets-" + str(os.getpid())
    os.mkdir(path)
    conf, file = (os.path.join(path, name) for name in ("strongswan.conf", "triplets.dat"))
    try:
        with open(conf, "w", encoding="utf-8") as f:
            f.write("charon {\n plugins {\n eap-sim-file {\n triplets = " + file + "\n}\n }\n}\n")
        for text, want in ((None, 1), ("carol,30000000000000000000000000000000,30112233,305566778899AABB\n", 0), ("carol,3\n", 1)):
            if text:
                with open(file, "w", encoding="utf-8") as f:
                    f.write(text)
            done = check("good", "--json", conf)
            said = [i for part in json.loads(done.stdout) for i in part["issues"]]
            tap.check(f"triplets: {want} warnings", done.returncode == 0 and len(said) == want and all(file in i["what"] for i in said), said)
    finally:
        for name in (conf, file):
            os.unlink(name)
        os.rmdir(path)


def test(_lab, tap):
    for folder, status in (("bad", 1), ("warned", 0), ("papers", 1), ("papers/warned", 0), ("locked", 1)):
        corpus(tap, folder, status)
    people(tap)
    strongswan(tap)
    radius(tap)
    triplets(tap)


if __name__ == "__main__":
    main(test, "pavise check")
