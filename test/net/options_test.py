#!/usr/bin/python3
"""What swanctl.conf can ask for besides algorithms and networks, between two plain hosts: IKE without a
child SA first, with a DSCP value of its own; BEET mode; ESP padded to one length, with no DSCP of what is
inside; an end after silence, from which a packet wakes it again. Interfaces that strongswan.conf leaves out."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import main, wait_until
from traffic import capture
from transport_test import HOST, INNER, packets, plain_hosts

PAD = 600
SILENCE = 3  # seconds
CONFIG = """\
connections {{
    hosts {{
        local_addrs = {host[0]}
        remote_addrs = {host[1]}
        childless = force
        proposals = aes256gcm16-prfsha256-x25519
        dscp = {dscp}
        local {{
            auth = psk
        }}
        remote {{
            auth = psk
        }}
        children {{
            beet {{
                mode = beet
                local_ts = {four[0]}
                remote_ts = {four[1]}
            }}
            padded {{
                local_ts = {six[0]}
                remote_ts = {six[1]}
                tfc_padding = {pad}
                copy_dscp = no
                inactivity = {silence}s
                start_action = trap
            }}
        }}
    }}
}}
secrets {{
    ike {{
        secret = "what two hosts need not whisper"
    }}
}}
"""


def config(side):
    def ends(pair):
        return (pair[side], pair[1 - side])
    return CONFIG.format(host=ends(HOST[4]), four=ends(INNER[4]), six=ends(INNER[6]), pad=PAD, silence=SILENCE,
                         dscp=("101110", "000000")[side])


def state(host):
    return host.ip_xfrm("xfrm state list nokeys").stdout


def up(hosts, tap):
    ear = capture(hosts[0], "eth0", "ike.pcapng")
    done = hosts[0].pavise("up", "beet")
    tap.check("an IKE SA, and then a child SA in BEET mode", done.returncode == 0, done.stdout + done.stderr)
    time.sleep(0.2)
    said = [(p.src, p.tos) for p in packets(ear()) if p.version == 4 and p.proto == 17]
    tap.equal("one side's IKE packets are expedited, the other's are not", set(said),
              {(HOST[4][0], 46 << 2), (HOST[4][1], 0)})
    tap.check("six messages: the child SA came by itself", len(said) == 6, said)


def beet(hosts, tap):
    tap.check("both executors have BEET", all(state(h).count("mode beet") == 2 for h in hosts), state(hosts[0]))
    done = hosts[0].try_run(["ping", "-n", "-c", "5", "-i", "0.05", "-I", INNER[4][0], INNER[4][1]])
    tap.check("ping passes in BEET mode", " 5 received" in done.stdout, done.stdout)
    done = hosts[1].pavise("rekey", "beet")
    tap.check("it is rekeyed", done.returncode == 0, done.stdout + done.stderr)
    done = hosts[0].try_run(["ping", "-n", "-c", "5", "-i", "0.05", "-I", INNER[4][0], INNER[4][1]])
    tap.check("ping passes after it", " 5 received" in done.stdout, done.stdout)


def ping6(host, size):
    done = host.try_run(["ping", "-n", "-c", "3", "-i", "0.1", "-s", size, "-Q", "0xb8", "-I", INNER[6][0],
                         INNER[6][1]])
    return " 3 received" in done.stdout


def padded(hosts, tap):
    ear = capture(hosts[0], "eth0", "esp.pcapng")
    tap.check("packets of three lengths pass", all(ping6(hosts[0], size) for size in (10, 200, 400)))
    esp = [p for p in packets(ear()) if p.version == 4 and p.proto == 50]
    lengths = {p.len for p in esp}
    tap.check("all have one length outside", len(esp) >= 18 and len(lengths) == 1 and min(lengths) >= PAD, lengths)
    tap.equal("their DSCP stays inside", {p.tos >> 2 for p in esp}, {0})


def silence(hosts, tap):
    def tunnels():
        return state(hosts[0]).count("mode tunnel")
    tap.equal("the padded child SA is there", tunnels(), 2)
    gone = wait_until(lambda: tunnels() == 0, 2 * SILENCE + 6, 0.3)
    tap.check("silence ends it", gone and any("deleting CHILD_SA after 3 seconds of inactivity" in h.daemon.output() for h in hosts),
              state(hosts[0]))
    tap.check("a packet wakes it", ping6(hosts[0], 56) and tunnels() == 2, state(hosts[0]))


def interfaces(hosts, tap):
    """What strongswan.conf leaves out is deaf; it may change its mind."""
    moon, sun = hosts
    settings = "charon {{\n    retransmit_timeout = 0.3\n    retransmit_tries = 1\n    {}\n}}\n"
    for side, host in enumerate(hosts):
        host.daemon.stop()
        conf = host.file("strongswan.conf", settings.format("interfaces_ignore = other, eth0" if host is sun else ""))
        host.daemon = host.iked(config(side), "--strongswan-conf", conf)
    done = moon.pavise("up", "beet")
    tap.check("interfaces_ignore: no answer from there", done.returncode != 0 and "does not answer" in done.stdout, done.stdout + done.stderr)
    for setting, word in (("interfaces_use = lo", "use"), ("interfaces_use = lo, eth0\n    interfaces_ignore = eth0", "ignore")):
        sun.file("strongswan.conf", settings.format(setting))
        sun.pavise("reload")
        done = moon.pavise("up", "beet")
        good = done.returncode == 0 if word == "ignore" else done.returncode != 0
        tap.check("interfaces_use goes before interfaces_ignore" if word == "ignore" else "interfaces_use: all others are deaf", good,
                  done.stdout + done.stderr + sun.daemon.output()[-1000:])


def test(lab, tap):
    hosts = plain_hosts(lab)
    for side, host in enumerate(hosts):
        host.daemon = host.iked(config(side))
    time.sleep(0.3)
    up(hosts, tap)
    beet(hosts, tap)
    padded(hosts, tap)
    silence(hosts, tap)
    interfaces(hosts, tap)


if __name__ == "__main__":
    main(test, "options of connections and children")
