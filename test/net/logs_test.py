#!/usr/bin/python3
"""strongswan.conf's loggers: lines as charon writes them, levels for each group, files that are moved away and opened anew,
levels and limits that a reload changes, and mistakes that a reload does not fall for."""
import os
import re
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import main, wait_until
from sites import Sites

CONF = """charon {{
    retransmit_timeout = {timeout}
    retransmit_tries = 1
    syslog {{
        identifier = charon-here
        daemon {{
            default = 1
        }}
    }}
    filelog {{
        main {{
            path = {path}
            time_format = %b %e %T
            time_add_ms = yes
            ike_name = yes
            default = 1
            cfg = {cfg}
        }}
        empty {{
            path = {path}.empty
            default = -1
        }}
    }}
}}
"""


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def test(lab, tap):
    site = Sites(lab)
    moon, path = site.moon, os.path.join(site.moon.dir, "charon.log")

    def configure(timeout="0.2", cfg=-1):
        return moon.file("strongswan.conf", CONF.format(path=path, timeout=timeout, cfg=cfg))

    moon.xfrmd()
    iked = moon.iked(site.config("moon"), "--executor", "pavise", "--strongswan-conf", configure())
    tap.check("the file is there, and says that the daemon is ready", wait_until(lambda: "ready: " in read(path), 10), read(path))
    tap.check("of a group that is silent nothing is in it", "[CFG]" not in read(path) and "in force" not in read(path), read(path))
    moon.pavise("up", "net-net")
    line = rf"\w\w\w [ \d]\d \d\d:\d\d:\d\d\.\d\d\d 01\[IKE\] <sites\|1> initiating IKE_SA sites\[1\] to 198.51.100.1"
    tap.check("lines are charon's: time, milliseconds, group, name and number", re.search(line, read(path)), read(path))
    tap.equal("a log with level -1 stays empty", read(path + ".empty"), "")

    os.rename(path, path + ".1")
    configure(cfg=2, timeout="0.4")
    iked.popen.send_signal(signal.SIGHUP)
    tap.check("moved away and reloaded: a new file", wait_until(lambda: "[CFG]" in read(path), 10), read(path) + iked.output()[-500:])
    length = len(read(path + ".1"))
    moon.pavise("up", "net-net")
    tap.check("... which gets the lines, now also of that group", "<sites|2> initiating" in read(path) and "1 connection" in read(path), read(path))
    tap.equal("... and the old one none", len(read(path + ".1")), length)
    times = [float(s) for s in re.findall(r":(\d\d\.\d\d\d) 01\[IKE\] <sites\|2> (?:initiating|retransmit)", read(path))]
    tap.check("limits of the reloaded file count: the pause is twice as long", len(times) == 2 and 0.3 < (times[1] - times[0]) % 60 < 2, read(path))

    moon.file("strongswan.conf", "charon {\n    retransmit_timeout = never\n}\n")
    iked.popen.send_signal(signal.SIGHUP)
    tap.check("a mistake in it changes nothing, and is told", wait_until(lambda: "the settings in force stay as they are" in iked.output(), 10)
              and "'never' is no value for charon.retransmit_timeout" in iked.output(), iked.output()[-800:])
    tap.check("and the daemon goes on", iked.alive() and "<sites|3>" not in read(path))


if __name__ == "__main__":
    main(test, "loggers of strongswan.conf")
