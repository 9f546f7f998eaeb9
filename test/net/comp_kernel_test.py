#!/usr/bin/python3
"""pavise-xfrmd on one host, a real Linux kernel's XFRM on the other: IPComp alone and in bundles, packets that it does
not shrink, and IPv6 extension headers under AH and ESP.

Needs the test bed that boots a kernel with ESP, AH and IPComp (../shared/realkernel next to the checkout)."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab as lab_module
import wire
import realkernel
from lab import main, wait_until
from modes_kernel_test import KERNEL, SETUP, beside_a_kernel, mark, text
from transport_test import ALGORITHMS, HOST, INNER, MTU

ALGORITHMS = {**ALGORITHMS, "comp": "comp deflate"}

# name, outer family, inner family (0: the hosts' own addresses), SAs from the innermost on
CASES = [
    *((f"IPComp transport, IPv{f}", f, 0, (("comp", "transport"),)) for f in (4, 6)),
    *((f"IPComp tunnel, IPv{i} over IPv{o}", o, i, (("comp", "tunnel"),)) for o in (4, 6) for i in (4, 6)),
    *((f"an IPComp tunnel in ESP, IPv{f}", f, f, (("comp", "tunnel"), ("esp", "transport"))) for f in (4, 6)),
    *((f"IPComp in ESP, IPv{f}", f, 0, (("comp", "transport"), ("esp", "transport"))) for f in (4, 6)),
    ("IPComp in an ESP tunnel, IPv4 over IPv6", 6, 4, (("comp", "transport"), ("esp", "tunnel"))),
    *((f"AH around ESP around IPComp, IPv{f}", f, 0, (("comp", "transport"), ("esp", "transport"), ("ah", "transport")))
      for f in (4, 6)),
    ("ESP in ESP in AH, IPv4", 4, 4, (("esp", "tunnel"), ("esp", "transport"), ("ah", "transport"))),
]
CHAINS = [  # IPv6 extension headers
    ("AH", (("ah", "transport"),)),
    ("ESP", (("esp", "transport"),)),
    ("AH around ESP", (("esp", "transport"), ("ah", "transport"))),
]

# Answers on port 7777 with what it was asked, and with the extension headers that the question had.
ECHO = """
import socket
HOP, DST = 54, 59
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(41, 53, 1), s.setsockopt(41, 58, 1), s.setsockopt(41, socket.IPV6_RECVPKTINFO, 1)
s.bind(('::', 7777))
print('up', flush=True)
while True:
    data, heads, _flags, peer = s.recvmsg(9000, 4096)
    had = [(41, kind, head) for level, kind, head in heads if level == 41 and kind in (HOP, DST)]
    s.sendmsg([data + bytes(kind for _, kind, _ in had)], [h for h in heads if h[1] == socket.IPV6_PKTINFO and ':' in peer[0] and
              not peer[0].startswith('::ffff:')] + had, 0, peer)
"""
# Prints which extension headers the answer had and which the question had.
ASK = """
import os, socket, sys
to, n = sys.argv[1], int(sys.argv[2])
six = ':' in to
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
hop = bytes([0, 1]) + bytes([0x1e, 4, 1, 2, 3, 4]) + bytes([0x3e, 4, 5, 6, 7, 8, 1, 0])
dst = bytes([0, 0]) + bytes([0x1e, 4, 9, 9, 9, 9])
heads = [(41, 54, hop), (41, 59, dst)] if len(sys.argv) > 3 else []
if heads:
    s.setsockopt(41, 53, 1), s.setsockopt(41, 58, 1)
asked = os.urandom(n)
s.sendmsg([asked], heads, 0, (to, 7777))
data, got, _flags, _peer = s.recvmsg(9000, 4096)
same = all(h[2:] == g[2][2:] for (_, k, h) in heads for g in got if g[1] == k)
print(data[:n] == asked, same, sorted(k for _, k, _ in got), sorted(data[n:]))
"""


def commands(case, side):
    """What follows `ip xfrm` on one of the two hosts."""
    _name, outer, inner, chain = case
    ends = INNER[inner] if inner else HOST[outer]
    for number, (proto, mode) in enumerate(chain):
        family = inner if inner and mode == "transport" and number == 0 else outer
        for way in (0, 1):
            src, dst = (INNER if family == inner and mode == "transport" and number == 0 else HOST)[family][::1 - 2 * way]
            flag = "flag af-unspec" if mode == "tunnel" else "flag align4" if proto == "ah" and outer == 4 else ""
            window = "" if proto == "comp" else "replay-window 32"
            yield (f"state add src {src} dst {dst} proto {proto} spi {spi_of(number, way)} reqid {number + 1} mode {mode}"
                   f" {ALGORITHMS[proto]} {window} {flag}")
    for direction, way in (("out", side), ("in", 1 - side)):
        yield (f"policy add src {ends[way]} dst {ends[1 - way]} dir {direction} "
               + " ".join(template(case, number, way, direction) for number in range(len(chain))))


def spi_of(number, way):
    return f"{0x1000 * (number + 1) + way:#x}"


def template(case, number, way, direction):
    _name, outer, _inner, chain = case
    proto, mode = chain[number]
    ends = f"src {HOST[outer][way]} dst {HOST[outer][1 - way]}" if mode == "tunnel" else ""
    # Going out, the rule is that only a transport template may be optional.
    level = "level use" if proto == "comp" and (direction == "in" or mode == "transport") else ""
    return f"tmpl {ends} proto {proto} reqid {number + 1} mode {mode} {level}"


def target(case, side):
    return (INNER[case[2]] if case[2] else HOST[case[1]])[side]


def chosen():
    heads = [(f"IPv6 extension headers under {name}", 6, 0, chain) for name, chain in CHAINS]
    heads += [(f"IPv4 options under {name}", 4, 0, chain) for name, chain in CHAINS]
    if os.environ.get("PAVISE_FULL"):
        return CASES + heads
    return [CASES[number] for number in (0, 3, 7, 10, 11)] + [heads[0], heads[1], heads[3]]


def script(cases, folder):
    lines = [SETUP.replace("iperf3 -s -D", ""), f"/usr/bin/python3 {folder}/echo.py > $RK_OUT/echo 2>&1 &",
             "while ! grep -q up $RK_OUT/echo; do sleep 0.1; done"]
    for number, case in enumerate(cases):
        batch = "\n".join("xfrm " + command for command in commands(case, KERNEL))
        lines += [f"ip -batch - 2> $RK_OUT/error.{number} <<'END'\n{batch}\nEND",
                  f"touch $RK_OUT/ready.{number}",
                  f"while [ ! -e $RK_OUT/ask.{number} ]; do sleep 0.05; done",
                  f"for size in 16 1200; do ping -n {'-R' if case[0].startswith('IPv4 opt') else '-q'} -c 3 -i 0.05 -W 2"
                  f" -s $size {target(case, 0)}; done > $RK_OUT/ping.{number}",
                  f"cat /proc/net/xfrm_stat > $RK_OUT/stat.{number}",
                  f"ip -s xfrm state > $RK_OUT/state.{number}",
                  f"touch $RK_OUT/asked.{number}",
                  f"while [ ! -e $RK_OUT/done.{number} ]; do sleep 0.05; done",
                  "ip xfrm state flush; ip xfrm policy flush"]
    return "\n".join(lines) + "\n"


def ask(host, to, size, *heads):
    done = host.try_run(["/usr/bin/python3", os.path.join(host.dir, "ask.py"), to, size, *heads])
    return done.stdout.strip() or done.stderr.strip().split("\n")[-1]


def traffic(host):
    """Packets in and out of the executor's ports, by their names."""
    out = {}
    for port in json.loads(host([lab_module.PAVISE, "xfrm", "stat", "--json"]))["ports"]:
        packets_in, packets_out = out.get(port["name"], (0, 0))
        out[port["name"]] = packets_in + port["packets_in"], packets_out + port["packets_out"]
    return out


def grown(before, now):
    """Names of the ports that have received packets since."""
    return {name for name in now if now[name][0] > before[name][0] and name.startswith("raw")}


def kernel_says(out, number):
    stat = "".join(line + "\n" for line in text(out, f"stat.{number}").split("\n") if not line.endswith("\t0"))
    return text(out, f"ping.{number}") + text(out, f"error.{number}") + stat + text(out, f"state.{number}")


def compressed(case, host, out, tap):
    """Small packets, such that shrink, such that do not; both ways."""
    name, _outer, _inner, chain = case
    to = target(case, KERNEL)
    before = traffic(host)
    tap.equal(f"{name}: small and large pings", [host.ping(to, 3, 0.05, size=size) for size in (16, 1200)], [3, 3])
    want = {{"comp": "raw_comp", "esp": "raw_ip", "ah": "raw_ah"}[chain[-1][0]]}
    if chain == (("comp", "tunnel"),):  # the small ones
        want.add("raw_ipip" if case[2] == 4 else "raw_ipv6")
    tap.equal(f"{name}: came as {sorted(want)}", grown(before, traffic(host)), want)
    tap.equal(f"{name}: 1200 random bytes there and back", ask(host, to, 1200), "True True [] []")


def with_heads(case, host, out, tap):
    name = case[0]
    to = target(case, KERNEL)
    tap.equal(f"{name}: pings pass", host.ping(to, 3, 0.05), 3)
    tap.equal(f"{name}: options for each hop and for the end, there and back", ask(host, to, 100, "heads"),
              "True True [54, 59] [54, 59]")


def with_options(case, host, out, tap):
    name = case[0]
    to = target(case, KERNEL)
    said = host.try_run(f"ping -n -R -c 3 -i 0.05 -W 2 {to}").stdout
    tap.check(f"{name}: the route of a ping is recorded", "3 received" in said and "RR:" in said and to in said.split("RR:")[-1],
              said)


def compare(host, out, number, case, tap):
    name = case[0]
    if not wait_until(lambda: os.path.exists(os.path.join(out, f"ready.{number}")), 180):
        return tap.check(f"{name}: the kernel is ready", False)
    done = host.ip_xfrm(["-batch", host.file("batch", "".join(f"xfrm {command}\n" for command in commands(case, 0)))])
    if done.returncode:
        raise lab_module.Failed(f"ip xfrm: {done.stdout}{done.stderr}")
    host.ping(target(case, KERNEL), 1)  # the two may still be looking for each other's link address
    before = dict(host.xfrm_stat())
    what = {"IPv6 ext": with_heads, "IPv4 opt": with_options}.get(name[:8], compressed)
    what(case, host, out, tap)
    mark(out, f"ask.{number}")
    if not wait_until(lambda: os.path.exists(os.path.join(out, f"asked.{number}")), 30):
        return tap.check(f"{name}: the kernel answers", False)
    said = text(out, f"ping.{number}")
    tap.check(f"{name}: small and large pings from the kernel", said.count("3 received") == 2, kernel_says(out, number))
    dropped = {word: (count, before[word]) for word, count in host.xfrm_stat().items() if count != before[word]}
    if not tap.equal(f"{name}: nothing was dropped", dropped, {}):
        tap.note(kernel_says(out, number).replace("\n", "\n# "))
    host.ip_xfrm("xfrm state flush")
    host.ip_xfrm("xfrm policy flush")
    mark(out, f"done.{number}")
    return True


def test(lab, tap):
    if realkernel.missing():
        tap.skip("against a real kernel", realkernel.missing())
        return
    moon, cable = beside_a_kernel(lab)
    moon.xfrmd("--mtu", MTU)
    moon.file("ask.py", ASK)
    cable.file("echo.py", ECHO)
    out = os.path.join(lab.dir, "kernel")
    os.makedirs(out)
    cases = chosen()
    guest = cable.start([realkernel.BED, "--timeout", 300, "--out", out, "--env", f"PEER={wire.mac_of(moon, 'eth0')}", "--raw", "eth0",
                         cable.file("guest.sh", script(cases, cable.dir))], "guest")
    for number, case in enumerate(cases):
        if not compare(moon, out, number, case, tap):
            tap.note(guest.output()[-2000:])
            break


if __name__ == "__main__":
    main(test, "IPComp, bundles and IPv6 extension headers with a real kernel")
