"""machine - a host of the lab as a whole Debian machine: an /etc/swanctl, a /run and a /usr/local of its own, and
systemd's units started by a stand-in for systemctl, since there is no systemd in a namespace.

Mounts and processes live in namespaces of a process of their own, so nothing of them is left when it ends."""
import os
import sys

from lab import Failed, ROOT, wait_until

OWN = ("/run", "/etc/swanctl", "/usr/local", "/var/lib")  # empty at first
PACKAGES = "mkdir -p /run/real && mount --bind /var/lib/dpkg /run/real"  # what is installed stays known
PACKAGES_BACK = "mkdir -p /var/lib/dpkg && mount --move /run/real /var/lib/dpkg"
SYSTEMCTL = r'''#!/usr/bin/python3
"""systemctl for a machine without systemd: start, stop, reload, enable, disable of units with Type=notify."""
import os, shlex, signal, socket, subprocess, sys, time

FOLDERS = ("/etc/systemd/system", "/usr/local/lib/systemd/system", "/lib/systemd/system")
STATE = "/run/units"


def unit(name):
    for folder in FOLDERS:
        path = f"{folder}/{name}.service"
        if os.path.exists(path):
            lines = [line.strip().split("=", 1) for line in open(path) if "=" in line and not line.startswith("#")]
            return lines
    sys.exit(f"Unit {name}.service could not be found.")


def values(lines, key):
    return [value for name, value in lines if name == key]


def start(name):
    lines = unit(name)
    at = f"{STATE}/{name}.notify"
    if os.path.exists(at):
        os.unlink(at)
    ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ready.bind(at)
    ready.settimeout(60)
    for folder in values(lines, "StateDirectory"):
        os.makedirs(f"/var/lib/{folder}", mode=0o700, exist_ok=True)
    log = open(f"{STATE}/{name}.log", "ab")
    daemon = subprocess.Popen(shlex.split(values(lines, "ExecStart")[0]), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                              start_new_session=True, env={**os.environ, "NOTIFY_SOCKET": at})
    with open(f"{STATE}/{name}.pid", "w") as file:
        file.write(str(daemon.pid))
    try:
        while b"READY=1" not in ready.recv(4096):
            pass
    except TimeoutError:
        sys.exit(f"Job for {name}.service failed: it is not ready after 60 s")
    for command in values(lines, "ExecStartPost"):
        if subprocess.call(shlex.split(command), stdout=log, stderr=log):
            sys.exit(f"Job for {name}.service failed: {command}")


def main_pid(name):
    try:
        pid = int(open(f"{STATE}/{name}.pid").read())
        os.kill(pid, 0)
        return pid
    except (OSError, ValueError):
        return 0


def stop(name):
    pid = main_pid(name)
    if pid:
        os.kill(pid, signal.SIGTERM)
    for _ in range(300):
        if not main_pid(name):
            return
        time.sleep(0.1)
    sys.exit(f"{name}.service does not stop")


def reload(name):
    for command in values(unit(name), "ExecReload"):
        if subprocess.call(shlex.split(command.replace("$MAINPID", str(main_pid(name))))):
            sys.exit(f"Job for {name}.service failed: {command}")


def main():
    verb, names = sys.argv[1], [word.removesuffix(".service") for word in sys.argv[2:] if word != "--now"]
    now = "--now" in sys.argv
    os.makedirs(STATE, exist_ok=True)
    for name in names:
        unit(name)
    if verb in ("enable", "disable") and not now:
        return
    does = {"enable": start, "start": start, "disable": stop, "stop": stop, "reload": reload}[verb]
    for name in names:
        does(name)


main()
'''
REAPER = "import os, time\nwhile True:\n    try: os.wait()\n    except ChildProcessError: time.sleep(0.1)\n"


class Machine:
    def __init__(self, host):
        self.host = host
        files = {"systemctl": SYSTEMCTL, "reaper.py": REAPER}
        for name, text in files.items():
            host.file(name, text, 0o755)
        mounts = " && ".join(f"mkdir -p {at} && mount -t tmpfs tmpfs {at}" for at in OWN)
        mounts = mounts.replace("mkdir -p /etc", PACKAGES + " && mkdir -p /etc", 1) + " && " + PACKAGES_BACK
        marker = os.path.join(host.dir, "machine.ready")
        self.process = host.start(
            ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c",
             f"mount --make-rprivate / && {mounts} && touch {marker} && exec {sys.executable} {host.dir}/reaper.py"], "machine")
        if not wait_until(lambda: os.path.exists(marker), 20):
            raise Failed(f"{host.name}: no machine: {self.process.output()}")
        with open(f"/proc/{self._unshare()}/task/{self._unshare()}/children", encoding="ascii") as file:
            self.first = int(file.read().split()[0])

    def _unshare(self):
        return self.process.pid  # ip netns exec becomes unshare

    def run(self, command, timeout=120, cwd=ROOT):
        """A command as it would be typed; the CompletedProcess."""
        script = f"export PATH={self.host.dir}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin && cd {cwd} && {command}"
        return self.host.try_run(["nsenter", "-t", self.first, "--mount", "--pid", "sh", "-c", script], timeout=timeout)

    def write(self, path, text):
        """A file inside the machine."""
        name = self.host.file("copy", text)
        done = self.run(f"mkdir -p {os.path.dirname(path)} && cp {name} {path} && chmod 600 {path}")
        if done.returncode:
            raise Failed(done.stderr)

    def mount(self, path, text):
        """A file that stands over one of the real machine's."""
        done = self.run(f"mount --bind {self.host.file(os.path.basename(path), text)} {path}")
        if done.returncode:
            raise Failed(done.stderr)
