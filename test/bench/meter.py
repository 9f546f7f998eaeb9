"""meter - what is measured of a way between two hosts, and the CPU time that it took.

CPU time is the kernel's accounting of a control group that the bench and all its children live in, with
what the machine's ksoftirqd did meanwhile: what others do on a shared machine is left out.
"""
import atexit
import json
import os
import statistics
import subprocess
import sys
import time

from lab import Failed, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
TICK = os.sysconf("SC_CLK_TCK")
BLAST = [sys.executable, os.path.join(HERE, "blast.py")]


class Cpu:
    """CPU seconds of this process and all it starts, whoever has ended meanwhile."""

    def __init__(self):
        self.group, self.file, self.scale = None, "/proc/stat", None
        for root, name, scale in (("/sys/fs/cgroup/cpuacct", "cpuacct.usage", 1e9), ("/sys/fs/cgroup", "cpu.stat", 1e6)):
            group = os.path.join(root, f"pavise-bench-{os.getpid()}")
            try:
                os.mkdir(group)
                if os.path.exists(os.path.join(group, name)):
                    with open(os.path.join(group, "cgroup.procs"), "w", encoding="ascii") as procs:
                        procs.write(str(os.getpid()))
                    self.group, self.file, self.scale, self.root = group, os.path.join(group, name), scale, root
                    atexit.register(self.close)
                    return
                os.rmdir(group)
            except OSError:
                continue

    def close(self):
        if not self.group:
            return
        with open(os.path.join(self.root, "cgroup.procs"), "w", encoding="ascii") as procs:
            procs.write(str(os.getpid()))
        wait_until(lambda: self._removed(), 5)
        self.group = None

    def _removed(self):
        try:
            os.rmdir(self.group)
            return True
        except OSError:
            return False

    def _softirqd(self):
        total = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                    head, tail = file.read().rsplit(")", 1)
            except OSError:
                continue
            if "(ksoftirqd" in head:
                total += sum(int(word) for word in tail.split()[11:13])
        return total / TICK

    def seconds(self):
        with open(self.file, encoding="ascii") as file:
            words = file.read().split()
        if not self.group:  # the whole machine: user, nice, system, irq, softirq
            cell = [int(w) for w in words[1:9]]
            return (cell[0] + cell[1] + cell[2] + cell[5] + cell[6]) / TICK
        return int(words[0] if len(words) == 1 else words[1]) / self.scale + self._softirqd()


def pinned(core, command):
    """Keeps a load generator on a core of its own half; with one core there is nothing to choose."""
    cores = sorted(os.sched_getaffinity(0))
    return command if len(cores) < 2 else ["taskset", "-c", str(cores[core % len(cores)]), *command]


def tcp(bed, way, cpu, seconds, streams=1):
    """Gbit/s, CPU s/GB, and retransmissions of TCP from left to right."""
    here, there = way.ends
    server = bed.right.start(pinned(1, ["iperf3", "-s", "-1", "-B", there]), "iperf3")
    wait_until(lambda: "listening" in server.output(), 5)
    before = cpu.seconds()
    done = bed.left.try_run(pinned(0, ["iperf3", "-J", "-c", there, "-B", here, "-t", str(seconds), "-P", str(streams)]),
                            timeout=seconds + 30)
    used = cpu.seconds() - before
    server.stop()
    try:
        end = json.loads(done.stdout)["end"]
        received = end["sum_received"]
        return {"gbit": received["bits_per_second"] / 1e9, "cpu_per_gb": used / (received["bytes"] / 1e9),
                "resent": end["sum_sent"].get("retransmits", 0)}
    except (ValueError, KeyError, ZeroDivisionError):
        raise Failed(f"iperf3: {done.stdout[-500:]}{done.stderr[-500:]}") from None


def udp(bed, way, cpu, seconds, size, uso):
    """Million packets per second that arrived, the part that did not, and CPU ns per packet."""
    here, there = way.ends
    sink = bed.right.start(pinned(1, [*BLAST, "sink", there]), "blast-sink")
    wait_until(lambda: "ready" in sink.output(), 5)
    before = cpu.seconds()
    sent = json.loads(bed.left(pinned(0, [*BLAST, "source", here, there, str(size), str(seconds), "uso" if uso else "single"]),
                               timeout=seconds + 30))["packets"]
    used = cpu.seconds() - before
    if sink.popen.wait(10):
        raise Failed(f"blast: {sink.output()}")
    got = json.loads(sink.output().split("\n")[1])["packets"]
    return {"mpps": got / seconds / 1e6, "lost": 1 - got / sent if sent else 0, "cpu_ns": 1e9 * used / got if got else 0}


def round_trip(bed, way, count=100):
    """Median and 99th percentile in microseconds."""
    done = bed.left(["ping", "-n", "-i", "0.01", "-c", str(count), "-I", way.ends[0], way.ends[1]])
    times = sorted(1000 * float(line.split("time=")[1].split()[0]) for line in done.split("\n") if "time=" in line)
    return {"median": statistics.median(times), "p99": times[int(0.99 * (len(times) - 1))]} if times else {}


def round_trip_loaded(bed, way):
    """The same beside one TCP stream at full rate."""
    here, there = way.ends
    server = bed.right.start(["iperf3", "-s", "-1", "-B", there], "iperf3")
    wait_until(lambda: "listening" in server.output(), 5)
    load = bed.left.start(["iperf3", "-c", there, "-B", here, "-t", "4"], "iperf3")
    time.sleep(0.7)  # it has found its rate
    result = round_trip(bed, way)
    load.stop()
    server.stop()
    return result


def machine():
    """What the figures were made on."""
    with open("/proc/cpuinfo", encoding="ascii") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "")
    load = os.getloadavg()[0]
    commit = subprocess.run(["git", "-C", HERE, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return {"cpu": model, "cores": os.cpu_count(), "kernel": os.uname().release, "load_before": load,
            "commit": commit.stdout.strip()}
