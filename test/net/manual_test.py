#!/usr/bin/python3
"""The manual pages name what there is: every command and option of the programs, every VICI command and event, and every
setting of strongswan.conf that counts; and no setting of it that does not."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import IKED, PAVISE, ROOT, XFRMD, main


TABLES = ("authority", "auth", "child", "conn", "side", "pool")  # of conf/, with keys
PARTLY = ["dpd_timeout", "per_cpu_sas"]  # a warning; one of its values


def source(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def manual(name):
    """What a reader sees."""
    text = re.sub(r"\\f.", "", source("doc/" + name).replace("\\-", "-").replace("\\&", ""))
    return re.sub(r'" | "|"', " ", text)


def has(text, word):
    return re.search(r"(?<![\w-])" + re.escape(word) + r"(?![\w-])", text) is not None


def helped(*command):
    return subprocess.run(command, text=True, capture_output=True, timeout=20).stdout


def refused_settings(tap):
    """The section of what is refused names every such key of the tables in conf/, and no key that is taken."""
    known = re.findall(r'KEY\w*\("([a-z0-9_]+)"', "".join(source(f"conf/{name}.c") for name in TABLES))
    refused = re.findall(r'KEY_(?:NOT|REFUSED)\("([a-z0-9_]+)"', "".join(source(f"conf/{name}.c") for name in TABLES))
    section = source("doc/pavise-swanctl.conf.5").split(".SH WHAT IS REFUSED")[1].split(".SS Secrets")[0]
    named = [word for line in re.findall(r"\.TP\n\.BR? (.*)", section) for word in re.findall(r"[a-z_0-9]+", re.sub(r'"[^"]*"', " ", line))]
    tap.equal("pavise-swanctl.conf.5: every setting that is refused", (len(refused) > 10, sorted(set(refused) - set(named))), (True, []))
    tap.equal("... and none that is taken", [n for n in named if n in known and n not in refused + PARTLY], [])


def radius_settings():
    """Those of charon.plugins.eap-radius, DAE's with `dae` before them; those of its servers stand together."""
    text = source("conf/strongswan_radius.c")
    own = re.findall(r'(?:OF_HABITS|OF_ACCT)\("([a-z_]+)"', text)
    own += re.findall(r'OF_SERVER\("([a-z_]+)"', text.split("plugin_keys[] = {")[1].split("};")[0])
    own += ["dae." + name for name in re.findall(r'OF_DAE\("([a-z_]+)"', text)] + ["servers"]
    own += re.findall(r'^    \{"([a-z_]+)", "', text, re.M)
    return ["plugins.eap-radius." + name for name in own]


def test(_lab, tap):
    names = [line.split()[0] for line in helped(PAVISE, "help").splitlines() if re.match(r"  \w", line)]
    page = manual("pavise.8")
    tap.equal("pavise(8): every command", (len(names) > 10, [n for n in names if not has(page, n)]), (True, []))
    links = re.findall(r"'([a-z]+)'", source("cli/meson.build").split("foreach command : [")[1].split("]")[0])
    pages = [n for n in names if os.path.exists(os.path.join(ROOT, "doc", f"pavise-{n}.8"))]
    tap.equal("man pavise-COMMAND for each of them", sorted(pages + links), sorted(names))
    for program, name in ((IKED, "pavise-iked.8"), (XFRMD, "pavise-xfrmd.8")):
        options = set(re.findall(r"--[a-z][a-z-]+", helped(program, "--help")))
        page = manual(name)
        tap.equal(f"{name}: every option", (len(options) > 5, sorted(o for o in options if o not in page)), (True, []))
    page = manual("pavise-iked.8")
    commands = re.findall(r'^    \{"([a-z-]+)", ', source("daemon/commands.c"), re.M)
    events = re.findall(r'"([a-z-]+)"', source("daemon/events.c").split("events_names[] = {")[1].split("}")[0])
    tap.equal("pavise-iked.8: every VICI command and event", (len(commands), len(events), [n for n in commands + events if not has(page, n)]),
              (38, 15, []))
    settings = re.findall(r'TAKES\("([a-z0-9_.-]+)"', source("conf/strongswan.c"))
    settings += re.findall(r'\{"([a-z]+[12])", "', source("conf/strongswan_attr.c"))
    settings += re.findall(r'"(plugins\.[a-z0-9_.-]+)"', source("conf/strongswanx.h"))
    settings += radius_settings()
    refused_settings(tap)
    page = manual("pavise-strongswan.conf.5")
    tap.equal("pavise-strongswan.conf.5: every setting", (len(settings) > 15, [s for s in settings if not has(page, "charon." + s)]),
              (True, []))
    named = re.findall(r"charon\.([a-z0-9_.-]+[a-z0-9_])", " ".join(re.findall(r"\.TP\n(.*)", page)))
    known = settings + ["load", "plugins.kernel-libipsec.raw_esp", "plugins.attr", "filelog", "syslog", "journal"]
    tap.equal("... and no other", [n for n in named if n not in known], [])


if __name__ == "__main__":
    main(test, "manual pages")
