#!/usr/bin/python3
"""pavise xfrm monitor: what happens to SAs and policies, of pavise-xfrmd and of the kernel, in words and as JSON; and
pavise xfrm state|policy --explain, which says of each field where it is from."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import PAVISE, main

KEY = "0x" + "5a" * 20
ENDS = "src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1234"
SELECTOR = "src 10.1.0.0/16 dst 10.2.0.0/16 dir out"
STORY = [  # what is done, and what is told of it
    (f"state add {ENDS} reqid 7 mode tunnel aead rfc4106(gcm(aes)) {KEY} 128", "sa-added",
     "new: esp SA 0x00001234 (tunnel, 192.0.2.1 > 192.0.2.2, reqid 7)"),
    (f"policy add {SELECTOR} priority 9 tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 7 mode tunnel", "policy-added",
     "new: outbound policy 10.1.0.0/16 > 10.2.0.0/16 (priority 9)"),
    (f"policy update {SELECTOR} priority 8 action block", "policy-changed",
     "changed: outbound policy 10.1.0.0/16 > 10.2.0.0/16 (priority 8)"),
    (f"policy delete {SELECTOR}", "policy-deleted", "gone: outbound policy 10.1.0.0/16 > 10.2.0.0/16 (priority 8)"),
    (f"state delete {ENDS}", "sa-deleted", "gone: esp SA 0x00001234 (tunnel, 192.0.2.1 > 192.0.2.2, reqid 7)"),
]
STORY += [*STORY[:2], ("state flush", "sa-flushed", "all SAs are gone"), ("policy flush", "policy-flushed", "all policies are gone")]


def listen(host, *options, count):
    process = host.start([PAVISE, "xfrm", "monitor", "--count", str(count), *options], "monitor")
    process.wait_for("listening to", 30)
    return process


def told(process):
    process.popen.wait(30)
    return [json.loads(line) for line in process.output().splitlines() if line.startswith("{")]


def executor(host, tap):
    host.xfrmd()
    programs, people = listen(host, "--json", count=len(STORY)), listen(host, count=2)
    for command, _, _ in STORY:
        done = host.ip_xfrm(f"xfrm {command}")
        if done.returncode:
            tap.check(command, False, done.stderr)
    events = told(programs)
    tap.equal("every event has its word", [e["event"] for e in events], [word for _, word, _ in STORY])
    tap.equal("and its sentence", [e["text"] for e in events], [text for _, _, text in STORY])
    tap.check("without keys", KEY[2:] not in programs.output() and "aead" in events[0]["sa"], events[0])
    people.popen.wait(30)
    text = people.output()
    tap.check("for people: the sentence, and what ip xfrm has beside it",
              STORY[0][2] in text and "\tproto esp spi 0x00001234 reqid 7 mode tunnel\n" in text and KEY not in text, text)
    host.ip_xfrm(f"xfrm {STORY[1][0]}")
    need = listen(host, "--json", count=1)
    host.try_run(["ping", "-n", "-c", "1", "-W", "1", "-I", "10.1.0.1", "10.2.0.1"])
    event = (told(need) or [{}])[0]
    tap.check("a packet that needs an SA", event.get("event") == "acquire" and event["packet"]["dst"] == "10.2.0.1/32" and
              "needs an SA: esp tunnel, 192.0.2.1 > 192.0.2.2, reqid 7" in event["text"], event)


def explained(host, tap):
    host.ip_xfrm(f"xfrm {STORY[0][0]}")
    for what in ("state", "policy"):
        done = host.try_run([PAVISE, "xfrm", what, "--explain"])
        notes = [line.split("# ")[1] for line in done.stdout.splitlines() if "# " in line]
        tap.check(f"xfrm {what} --explain: each field has its RFC, or is Linux' own", len(notes) > 6 and
                  all("(RFC " in n or "(Linux only)" in n for n in notes), done.stdout)


def kernel(host, tap):
    process = listen(host, "--kernel", "--json", count=1)
    host(f"ip xfrm policy add {SELECTOR} priority 9")
    tap.equal("the kernel's events, too", [(e["event"], e["text"]) for e in told(process)], [STORY[1][1:]])


def run(lab, tap):
    host = lab.host("moon")
    host("ip address add 10.1.0.1/32 dev lo")
    host("ip route add default dev lo")
    executor(host, tap)
    explained(host, tap)
    kernel(lab.host("sun"), tap)
    wrong = host.try_run([PAVISE, "xfrm", "monitor", "--count", "0"])
    tap.check("no count: a sentence", wrong.returncode == 2 and "--count" in wrong.stderr, wrong.stderr)


if __name__ == "__main__":
    main(run, "pavise xfrm monitor")
