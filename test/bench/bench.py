#!/usr/bin/python3
"""bench - measurements as ratios within one run: `./dev bench [--rounds N] [--json FILE] [NAME...]`.

Every row is measured in every round, one after the other, so that noise of a shared machine hits all
of them alike; a warm-up run comes first and does not count. Median, lowest and highest are shown.
All hosts, both tunnel ends and iperf3 share this machine's cores, as they do in the plain-link row that
the ratio compares with. CPU seconds per gigabyte count everything the machine did.
"""
import argparse
import json
import os
import platform
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../net"))
from lab import Failed, Lab, wait_until
from sites import Sites

SECONDS = 3

ROWS = [  # name, kind, IKE/ESP options
    ("plain veth", None, {}),
    ("UDP, AES-128-GCM", "udp", {"esp": "aes128gcm16"}),
    ("UDP, AES-256-GCM", "udp", {"esp": "aes256gcm16"}),
    ("UDP, ChaCha20-Poly1305", "udp", {"esp": "chacha20poly1305"}),
    ("UDP, AES-128-CBC + HMAC-SHA-256", "udp", {"esp": "aes128-sha256"}),
    ("raw ESP, AES-128-GCM", "raw", {"esp": "aes128gcm16"}),
]


def cpu_seconds():
    """CPU seconds that this machine has worked since boot: user, nice, system, irq, softirq."""
    with open("/proc/stat", encoding="ascii") as file:
        cell = [int(w) for w in file.readline().split()[1:]]
    return (cell[0] + cell[1] + cell[2] + cell[5] + cell[6]) / os.sysconf("SC_CLK_TCK")


def throughput(site, streams):
    """(Gbit/s, CPU s per GB) of TCP from alice to bob."""
    server = site.bob.start(["iperf3", "-s", "-1"], "iperf3")
    wait_until(lambda: "listening" in server.output(), 3)
    before = cpu_seconds()
    done = site.alice.try_run(["iperf3", "-J", "-c", "10.2.0.10", "-t", SECONDS, "-P", streams], timeout=SECONDS + 20)
    used = cpu_seconds() - before
    server.stop()
    try:
        result = json.loads(done.stdout)["end"]["sum_received"]
    except (ValueError, KeyError):
        raise Failed(f"iperf3: {done.stdout}{done.stderr}") from None
    return result["bits_per_second"] / 1e9, used / (result["bytes"] / 1e9)


def latency(site):
    """Median round trip in microseconds."""
    done = site.alice("ping -n -i 0.01 -c 100 10.2.0.10")
    times = [float(line.split("time=")[1].split()[0]) for line in done.split("\n") if "time=" in line]
    return 1000 * statistics.median(times)


def bring_up(lab, name, kind, options):
    site = Sites(lab)
    if kind:
        site.start(encap=kind == "udp", **options)
        site.up()
    if site.alice.ping("10.2.0.10", 2) != 2:
        raise Failed(f"{name}: no answer through the tunnel")
    return site


def measure(rounds, wanted):
    results = {}
    for round_number in range(rounds + 1):
        for name, kind, options in ROWS:
            if wanted and name != "plain veth" and not any(w in name for w in wanted):
                continue
            with Lab() as lab:
                site = bring_up(lab, name, kind, options)
                one, cpu = throughput(site, 1)
                four, _ = throughput(site, 4)
                delay = latency(site)
            if round_number == 0:
                print(f"  warm-up  {name}", file=sys.stderr)
                continue
            print(f"  round {round_number}  {name}: {one:.2f} Gbit/s", file=sys.stderr)
            row = results.setdefault(name, {"one": [], "four": [], "cpu": [], "rtt": []})
            for key, value in (("one", one), ("four", four), ("cpu", cpu), ("rtt", delay)):
                row[key].append(value)
    return results


def table(results):
    plain = statistics.median(results["plain veth"]["one"])
    lines = ["| path | 1 stream Gbit/s (low-high) | 4 streams | of plain link | CPU s/GB | round trip us |",
             "|---|---|---|---|---|---|"]
    for name, row in results.items():
        middle = {key: statistics.median(values) for key, values in row.items()}
        lines.append(f"| {name} | {middle['one']:.2f} ({min(row['one']):.2f}-{max(row['one']):.2f}) | {middle['four']:.2f} "
                     f"| {100 * middle['one'] / plain:.0f} % | {middle['cpu']:.2f} | {middle['rtt']:.0f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="measured rounds (default 3)")
    parser.add_argument("--json", default="build/bench.json", help="where the raw figures go (default build/bench.json)")
    parser.add_argument("names", nargs="*", help="only rows whose names contain one of these")
    options = parser.parse_args()
    begin = time.time()
    results = measure(options.rounds, options.names)
    with open(options.json, "w", encoding="utf-8") as file:
        json.dump({"machine": platform.processor() or platform.machine(), "cores": os.cpu_count(),
                   "kernel": platform.release(), "seconds": time.time() - begin, "rows": results}, file, indent=1)
    print(table(results))
    print(f"\n{os.cpu_count()} cores, Linux {platform.release()}; raw figures: {options.json}")


if __name__ == "__main__":
    main()
