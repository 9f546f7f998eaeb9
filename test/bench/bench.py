#!/usr/bin/python3
"""bench - measurements as ratios within one run: `./dev bench [--rounds N] [--quick] [NAME...]`.

Every way is measured in every round, one after the other, so that noise of a shared machine hits all
of them alike; a warm-up round comes first and does not count. Medians are shown, and the spread as
low-high. Both hosts, both tunnel ends and the load generators share this machine's cores, in the plain
row as in the others. CPU seconds count all that the bench and its children did, in the kernel, too.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../net"))
import flame
import meter
from bed import Bed, Forwarder, Peer, Plain, Tunnel, answers
from lab import Failed, Lab

UDP, RAW = "ESP in UDP, AES-128-GCM", "raw ESP, AES-128-GCM"
RAW_XDP = "raw ESP by AF_XDP, AES-128-GCM"
NOCRYPT, PLAIN = "no crypto, our ports", "plain veth"
PEERS = {"wireguard-go": "wireguard-go", "OpenVPN": "openvpn", "strongSwan kernel-libipsec": "strongswan"}


def ways():
    """Name -> how to make it. A fresh one is made each time."""
    table = {
        PLAIN: Plain,
        "plain veth, as a wire": lambda: Plain(tso="off", gso="off"),
        "plain veth, offloads off": lambda: Plain(tso="off", gso="off", gro="off", tx="off"),
        NOCRYPT: Forwarder,
        UDP: Tunnel,
        RAW: lambda: Tunnel(encap="raw"),
        "ESP in UDP, a worker for each core": lambda: Tunnel(options=("--workers", "auto")),
        "ESP in UDP over IPv6, AES-128-GCM": lambda: Tunnel(family=6),
        "raw ESP over IPv6, AES-128-GCM": lambda: Tunnel(encap="raw", family=6),
        RAW_XDP: lambda: Tunnel(encap="raw", options=("--xdp", "eth0")),
        "ESP in UDP by AF_XDP, AES-128-GCM": lambda: Tunnel(options=("--xdp", "eth0")),
    }
    for algorithm in ("AES-256-GCM", "ChaCha20-Poly1305", "AES-128-CBC + HMAC-SHA-256"):
        table[f"ESP in UDP, {algorithm}"] = lambda algorithm=algorithm: Tunnel(algorithm)
    for name, script in PEERS.items():
        table[name] = lambda script=script: Peer(script)
    return table


# ---- one way ----

def measure(bed, way, cpu, options, warm_up=False):
    """{measure: value} of one way in one round. A warm-up is one short stream."""
    seconds, row = 1 if warm_up else options.seconds, {}
    one = meter.tcp(bed, way, cpu, seconds)
    row.update(gbit=one["gbit"], cpu_per_gb=one["cpu_per_gb"], resent=one["resent"])
    if warm_up:
        return row
    row["gbit4"] = meter.tcp(bed, way, cpu, seconds, 4)["gbit"]
    idle = meter.round_trip(bed, way)
    row.update(rtt=idle.get("median"), rtt_p99=idle.get("p99"))
    if options.quick:
        return row
    loaded = meter.round_trip_loaded(bed, way)
    row.update(rtt_loaded=loaded.get("median"), rtt_loaded_p99=loaded.get("p99"))
    for size in (64, 1400 - 28 if way.family == 4 else 1400 - 48):
        for uso in (False, True):
            got = meter.udp(bed, way, cpu, min(2, seconds), size, uso)
            name = f"udp{64 if size == 64 else 1400}{'_uso' if uso else ''}"
            row.update({name: got["mpps"], name + "_lost": got["lost"]})
    return row


def visit(name, make, cpu, options, warm_up):
    way = make()
    with Lab() as lab:
        bed = Bed(lab)
        try:
            way.up(bed)
            if not answers(bed, way):
                raise Failed(f"{name}: no answer\n{lab.logs()}")
            return measure(bed, way, cpu, options, warm_up)
        finally:
            if isinstance(way, Peer):
                way.down(bed)


def chosen(names):
    """The ways to measure: those that contain one of the words, and those that all are compared with."""
    picked, left_out = {}, {}
    for name, make in ways().items():
        if names and name not in (PLAIN, UDP) and not any(word.lower() in name.lower() for word in names):
            continue
        why = make().missing() if name in PEERS else ""
        if why:
            left_out[name] = why
        else:
            picked[name] = make
    return picked, left_out


def keep(path, **facts):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(facts, file, indent=1)


def run_rounds(picked, options):
    cpu, results, broken = meter.Cpu(), {}, {}
    for number in range(options.rounds + 1):
        for name, make in picked.items():
            if name in broken:
                continue
            try:
                row = visit(name, make, cpu, options, warm_up=number == 0)
            except (Failed, subprocess.TimeoutExpired) as error:
                broken[name] = str(error)
                print(f"  left out: {name}: {error}", file=sys.stderr)
                continue
            print(f"  {'round ' + str(number) if number else 'warm-up'}  {name}: {row['gbit']:.2f} Gbit/s,"
                  f" {row['cpu_per_gb']:.2f} CPU s/GB", file=sys.stderr)
            for key, value in row.items() if number else ():
                if value is not None:
                    results.setdefault(name, {}).setdefault(key, []).append(value)
        keep(options.json, rows=results, left_out=broken)  # an interrupted run loses the round at most
    cpu.close()
    return {name: row for name, row in results.items() if name not in broken}, broken


# ---- what is shown ----

def middle(row, key):
    return statistics.median(row[key]) if row.get(key) else None


def cell(row, key, form="{:.2f}", spread=False):
    value = middle(row, key)
    if value is None:
        return "-"
    text = form.format(value)
    return f"{text} ({form.format(min(row[key]))}-{form.format(max(row[key]))})" if spread else text


def table(results, quick):
    plain = middle(results.get(PLAIN, {}), "gbit") or float("inf")
    heads = ["way", "1 TCP stream, Gbit/s (low-high)", "of plain", "4 streams", "CPU s/GB (low-high)", "resent",
             "round trip us, 99 %"]
    if not quick:
        heads += ["under load us", "UDP 64 B Mpps", "with USO", "UDP 1400 B Mpps", "with USO"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name, row in results.items():
        cells = [name, cell(row, "gbit", spread=True), f"{100 * middle(row, 'gbit') / plain:.0f} %", cell(row, "gbit4"),
                 cell(row, "cpu_per_gb", spread=True), cell(row, "resent", "{:.0f}"),
                 cell(row, "rtt", "{:.0f}") + ", " + cell(row, "rtt_p99", "{:.0f}")]
        if not quick:
            cells += [cell(row, "rtt_loaded", "{:.0f}"), cell(row, "udp64", "{:.3f}"), cell(row, "udp64_uso", "{:.3f}"),
                      cell(row, "udp1400", "{:.3f}"), cell(row, "udp1400_uso", "{:.3f}")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def goals(results):
    """(what, goal, result, met) for every goal whose rows were measured."""
    def ratio(what, over, under, key, limit, at_least):
        a, b = (middle(results.get(name, {}), key) for name in (over, under))
        if a is None or not b:
            return
        value = a / b
        found.append((what, f"{'>=' if at_least else '<='} {limit}", f"{value:.2f}",
                      value >= limit if at_least else value <= limit))

    found = []
    best_raw = max((n for n in results if n.startswith("raw ESP") and "IPv6" not in n),
                   key=lambda n: middle(results[n], "gbit"), default=RAW)
    ratio("CPU s/GB against no crypto", UDP, NOCRYPT, "cpu_per_gb", 1.10, False)
    ratio("CPU s/GB against plain veth", UDP, PLAIN, "cpu_per_gb", 2.5, False)
    ratio("throughput against Debian's wireguard-go", UDP, "wireguard-go", "gbit", 12, True)
    ratio("throughput against OpenVPN", UDP, "OpenVPN", "gbit", 9, True)
    ratio("throughput against kernel-libipsec", UDP, "strongSwan kernel-libipsec", "gbit", 12, True)
    ratio(f"throughput, {best_raw}, against ESP in UDP", best_raw, UDP, "gbit", 0.8, True)
    added = {name: middle(results.get(name, {}), "rtt") for name in (UDP, PLAIN, "wireguard-go")}
    if all(added.values()) and added["wireguard-go"] > added[PLAIN]:
        value = (added[UDP] - added[PLAIN]) / (added["wireguard-go"] - added[PLAIN])
        found.append(("added round trip against wireguard-go", "<= 0.5", f"{value:.2f}", value <= 0.5))
    if UDP in results:
        value = middle(results[UDP], "resent")
        found.append(("segments sent again in one stream", "0", f"{value:.0f}", value == 0))
    return found


def show(results, left_out, options):
    print(table(results, options.quick))
    print("\n| goal | wanted | found | |\n|---|---|---|---|")
    for what, wanted, got, met in goals(results):
        print(f"| {what} | {wanted} | {got} | {'met' if met else 'missed'} |")
    for name, why in left_out.items():
        print(f"\nnot measured: {name}: {why.splitlines()[0]}")


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.split("\n", maxsplit=1)[0],
                                     epilog="ways: " + "; ".join(ways()))
    parser.add_argument("--rounds", type=int, default=3, help="measured rounds (default 3)")
    parser.add_argument("--seconds", type=int, default=3, help="of each TCP measurement (default 3)")
    parser.add_argument("--quick", action="store_true", help="TCP and idle round trip only")
    parser.add_argument("--json", default="build/bench.json", help="raw figures (default build/bench.json)")
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="only ways whose names contain one of these words; 'flame': where one tunnel's time goes")
    options = parser.parse_args()
    if options.names[:1] == ["flame"]:
        sys.exit(flame.main(ways(), options.names[1:] or [UDP]))
    begin, about = time.time(), meter.machine()
    picked, left_out = chosen(options.names)
    results, broken = run_rounds(picked, options)
    left_out.update(broken)
    about.update(seconds=time.time() - begin, load_after=os.getloadavg()[0])
    keep(options.json, machine=about, rows=results, left_out=left_out,
         goals=[dict(zip(("what", "wanted", "found", "met"), g)) for g in goals(results)])
    show(results, left_out, options)
    print(f"\n{about['cpu']}, {about['cores']} cores, Linux {about['kernel']}, load {about['load_before']:.1f} before and"
          f" {about['load_after']:.1f} after; raw figures: {options.json}")


if __name__ == "__main__":
    main()
