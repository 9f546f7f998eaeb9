#!/usr/bin/python3
"""pavise explain --kernel: what the Linux kernel's XFRM would do with a packet is what it does. Policies alone in any
kernel; SAs in one that has ESP, in the test bed (../shared/realkernel next to the checkout) where this one has none."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import realkernel
from lab import PAVISE, main

SETUP = """
ip link set lo up
ip link add out type veth peer name other
ip addr add 192.0.2.1/24 dev out
ip link set out mtu 1400 up
ip link set other up
ip route add default via 192.0.2.254
P="ip xfrm policy add"
$P src 10.1.0.0/16 dst 10.2.0.0/16 dir out priority 500 tmpl src 192.0.2.1 dst 198.51.100.1 proto esp mode tunnel reqid 1
$P src 10.2.0.0/16 dst 10.1.0.0/16 dir fwd priority 500 tmpl src 198.51.100.1 dst 192.0.2.1 proto esp mode tunnel reqid 1
$P src 10.2.0.0/16 dst 10.1.0.0/16 dir in priority 500 tmpl src 198.51.100.1 dst 192.0.2.1 proto esp mode tunnel reqid 1
$P src 10.1.0.9/32 dst 10.2.0.0/16 proto udp dport 53 dir out action block priority 100
"""
STATES = """
K=0x000102030405060708090a0b0c0d0e0f10111213
S="ip xfrm state add"
T="reqid 1 mode tunnel"
$S src 192.0.2.1 dst 198.51.100.1 proto esp spi 0x1001 $T aead 'rfc4106(gcm(aes))' $K 128
$S src 192.0.2.1 dst 198.51.100.1 proto esp spi 0x1002 $T aead 'rfc4106(gcm(aes))' $K 128
$S src 198.51.100.1 dst 192.0.2.1 proto esp spi 0x2001 $T aead 'rfc4106(gcm(aes))' $K 128
"""
ASK = PAVISE + " explain --kernel --json "


def answers(text):
    """The JSON objects between the other lines of a script's output."""
    return [json.loads(part.split("=== end")[0]) for part in text.replace("\r", "").split("=== answer")[1:]]


def ask(words):
    return f"echo === answer; {ASK} {words} --vici-socket /nonexistent; echo === end\n"


def policies(lab, tap):
    host = lab.host("moon")
    script = SETUP + ask("10.1.0.10 10.2.0.10 tcp 443") + ask("10.1.0.9 10.2.0.10 udp 53") + ask("10.1.0.9 10.9.0.1") + \
        ask("--inbound 10.2.0.10 10.1.0.10")
    waits, blocked, clear, inbound = answers(host(["sh", "-c", script]))
    tap.equal("no SA yet: one would be asked for", (waits["verdict"], waits["missing"]["reqid"], waits["executor"]),
              ("waits", 1, "kernel"))
    tap.equal("a policy blocks, and goes before the other", (blocked["verdict"], blocked["policy"]["priority"]), ("dropped", 100))
    tap.equal("elsewhere in clear, and why", (clear["verdict"], {o["why"] for o in clear["others"]}),
              ("passes in clear", {"the destination is not in its network"}))
    tap.equal("inbound in clear it is dropped", inbound["drop"], "template")
    said = host.pavise("explain", "--kernel", "10.1.0.10", "10.2.0.10").stdout
    tap.check("in words: the kernel drops it meanwhile", "the packet is dropped" in " ".join(said.split()), said)


def states(tap, output):
    found = answers(output)
    if not tap.equal("a kernel with ESP answers", len(found), 3):
        tap.note(output[-2000:])
        return
    out, late, inbound = found
    tap.equal("the SA is there: the younger one protects", (out["verdict"], out["sas"][0]["spi"]), ("protected", "0x00001002"))
    tap.equal("the outer header, and what the path takes",
              (out["outer"]["src"], out["outer"]["dst"], out["outer"]["proto"], out["path_mtu"]),
              ("192.0.2.1", "198.51.100.1", "esp", 1400))
    tap.check("and that is what the kernel says to a socket", f"mtu {out['longest']}\n" in output.replace("\r", ""),
              (out["longest"], output[-500:]))
    tap.equal("one byte more does not fit", (late["verdict"], late["drop"]), ("dropped", "path-mtu"))
    tap.equal("inbound through its SA", (inbound["verdict"], inbound["sas"][0]["spi"]),
              ("accepted through its SA", "0x00002001"))


MTU = """import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.1.0.10", 0))
s.connect(("10.2.0.10", 9))
print("mtu", s.getsockopt(socket.IPPROTO_IP, 14))  # IP_MTU
"""
LONGEST = (1400 - 20 - 8 - 8 - 16) // 4 * 4 - 2  # what outer header, ESP with AES-GCM and its trailer leave


def run(lab, tap):
    policies(lab, tap)
    script = "export PATH=$PATH:/usr/sbin:/sbin\n" + SETUP + STATES + ask("10.1.0.10 10.2.0.10 tcp 443") + \
        ask(f"10.1.0.10 10.2.0.10 icmp 8 --length {LONGEST + 1}") + ask("--inbound 10.2.0.10 10.1.0.10") + \
        f"ip addr add 10.1.0.10/32 dev lo\npython3 -c '{MTU}'\n"
    if realkernel.host_has_esp():
        states(tap, lab.host("other")(["sh", "-c", script]))
        return
    if realkernel.missing():
        tap.skip("SAs of a kernel", realkernel.missing())
        return
    states(tap, realkernel.boot(script).stdout)


if __name__ == "__main__":
    main(run, "pavise explain --kernel")
