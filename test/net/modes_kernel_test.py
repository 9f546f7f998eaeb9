#!/usr/bin/python3
"""pavise-xfrmd on one host, a real Linux kernel's XFRM on the other: transport mode, BEET, AH and bundles.

Needs the test bed that boots a kernel with ESP and AH (../shared/realkernel next to the checkout)."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import realkernel
from lab import main, wait_until
from transport_test import CASES, HOST, INNER, MTU, End, addresses, commands
from wire import mac_of

KERNEL = 1  # the side of the real kernel
MAC = "02:00:00:00:00:02"

SETUP = f"""
ip link set lo up
ip link set vec0 address {MAC} up mtu 1500
ip address add {HOST[4][KERNEL]}/24 dev vec0
ip address add {HOST[6][KERNEL]}/64 dev vec0 nodad
ip address add {INNER[4][KERNEL]}/32 dev lo
ip address add {INNER[6][KERNEL]}/128 dev lo nodad
ip route add {INNER[4][0]}/32 via {HOST[4][0]}
ip -6 route add {INNER[6][0]}/128 via {HOST[6][0]}
ip -6 neigh replace {HOST[6][0]} lladdr $PEER dev vec0 nud permanent
iperf3 -s -D
"""
# ESP in UDP is the business of a socket that asks for it, and is itself exempt from the policies.
ENCAP = """
import socket, struct, time
for family, to, level, policy in ((socket.AF_INET, '0.0.0.0', 0, 17), (socket.AF_INET6, '::', 41, 35)):
    s = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        s.setsockopt(41, socket.IPV6_V6ONLY, 1)
    for way in (0, 1):
        s.setsockopt(level, policy, struct.pack('=40xH118xB7x', family, way))
    s.bind((to, 4500))
    s.setsockopt(17, 100, 2)
    globals()[to] = s
time.sleep(3600)
"""


def target(case, side):
    _name, outer, inner, _chain, _udp = case
    return (INNER[inner] if inner else HOST[outer])[side]


def script(cases):
    lines = [SETUP, f'/usr/bin/python3 -c "{ENCAP}" > $RK_OUT/encap 2>&1 &']
    for number, case in enumerate(cases):
        batch = "\n".join("xfrm " + command for command in commands(case, KERNEL))
        lines += [f"ip -batch - 2> $RK_OUT/error.{number} <<'END'\n{batch}\nEND",
                  f"touch $RK_OUT/ready.{number}",
                  f"while [ ! -e $RK_OUT/ask.{number} ]; do sleep 0.05; done",
                  f"ping -n -q -c 5 -i 0.05 -W 2 -s 1300 {target(case, 0)} > $RK_OUT/ping.{number}",
                  f"cat /proc/net/xfrm_stat > $RK_OUT/stat.{number}",
                  f"touch $RK_OUT/asked.{number}",
                  f"while [ ! -e $RK_OUT/done.{number} ]; do sleep 0.05; done",
                  "ip xfrm state flush; ip xfrm policy flush"]
    return "\n".join(lines) + "\n"


def mark(out, name):
    with open(os.path.join(out, name), "w", encoding="utf-8"):
        pass


def text(out, name):
    with open(os.path.join(out, name), encoding="utf-8") as file:
        return file.read()


def tcp(host, to):
    done = host.try_run(["iperf3", "-J", "--connect-timeout", 3000, "-c", to, "-t", 1], timeout=30)
    try:
        return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]
    except (ValueError, KeyError):
        return done.stdout[-300:] + done.stderr


def compare(end, out, number, case, tap):
    name = f"{case[0]}, with a real kernel"
    if not wait_until(lambda: os.path.exists(os.path.join(out, f"ready.{number}")), 180):
        return tap.check(f"{name}: the kernel is ready", False)
    end.setup(case)
    tap.equal(f"{name}: ping", end.host.ping(target(case, KERNEL), 5, 0.05), 5)
    got = tcp(end.host, target(case, KERNEL))
    tap.check(f"{name}: TCP", isinstance(got, float) and got > 1e6, got)
    mark(out, f"ask.{number}")
    if not wait_until(lambda: os.path.exists(os.path.join(out, f"asked.{number}")), 30):
        return tap.check(f"{name}: the kernel answers", False)
    said = text(out, f"ping.{number}")
    tap.check(f"{name}: ping from the kernel", "5 received" in said,
              said + text(out, f"error.{number}") + text(out, "encap") + "".join(line + "\n" for line in text(out, f"stat.{number}").split("\n")
                                                         if not line.endswith("\t0")) + str(end.host.xfrm_stat()))
    end.flush()
    mark(out, f"done.{number}")
    return True


def beside_a_kernel(lab, *more):
    """moon, and at the other end of its cable (and of `more`) the host that a guest's devices are tied to."""
    moon, cable = lab.host("moon"), lab.host("cable")
    for device in ("eth0", *more):
        lab.wire(moon, device, cable, device)
        for setting in ("tso", "gso", "gro", "tx"):
            for host in (moon, cable):
                host.try_run(["ethtool", "-K", device, setting, "off"])
    addresses(moon, 1 - KERNEL)
    # A policy for all that two hosts say concerns their neighbour discovery, too: the kernel has no exception.
    moon(f"ip -6 neigh replace {HOST[6][KERNEL]} lladdr {MAC} dev eth0 nud permanent")
    return moon, cable


def test(lab, tap):
    if realkernel.missing():
        tap.skip("against a real kernel", realkernel.missing())
        return
    moon, cable = beside_a_kernel(lab)
    moon.xfrmd("--mtu", MTU)
    out = os.path.join(lab.dir, "kernel")
    os.makedirs(out)
    guest = cable.start([realkernel.BED, "--timeout", 500, "--out", out, "--env", f"PEER={mac_of(moon, 'eth0')}", "--raw", "eth0", cable.file("guest.sh", script(CASES))], "guest")
    end = End(moon, 0)
    for number, case in enumerate(CASES):
        if not compare(end, out, number, case, tap):
            tap.note(guest.output()[-2000:])
            break


if __name__ == "__main__":
    main(test, "transport mode, BEET, AH, bundles with a real kernel")
