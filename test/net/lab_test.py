#!/usr/bin/python3
"""A test that is told to end in the middle takes its namespaces, processes and files away."""
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import main, wait_until

VICTIM = """
import sys, time
sys.path.insert(0, sys.argv[1])
from lab import main
def test(lab, tap):
    moon = lab.host("moon")
    sleeper = moon.start("sleep 600")
    print(lab.prefix, lab.dir, sleeper.pid, flush=True)
    time.sleep(600)
main(test, "victim")
"""


def is_running(pid):
    return os.path.exists(f"/proc/{pid}")


def test(lab, tap):
    here = os.path.dirname(os.path.abspath(__file__))
    victim = subprocess.Popen([sys.executable, "-c", VICTIM, here], text=True, stdout=subprocess.PIPE)
    victim.stdout.readline()  # its title
    prefix, folder, sleeper = victim.stdout.readline().split()
    lab.prefix = prefix  # to look, and to clean if it does not
    tap.check("it has a namespace, a process and a folder", lab.namespaces() and is_running(sleeper) and os.path.isdir(folder))
    victim.send_signal(signal.SIGTERM)
    tap.check("it ends, and not well", victim.wait(20) not in (0, None), victim.returncode)
    tap.check("nothing is left", wait_until(lambda: not (lab.namespaces() or is_running(sleeper) or os.path.isdir(folder)), 3),
              (lab.namespaces(), sleeper, folder))


if __name__ == "__main__":
    main(test, "the end of a test")
