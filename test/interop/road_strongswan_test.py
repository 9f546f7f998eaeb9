#!/usr/bin/python3
"""Virtual addresses with Debian's strongSwan, which is once the client and once the gateway."""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
import strongswan
from lab import main, wait_until
from sites import BOB, Sites

SECRETS = 'secrets {{\n    ike-1 {{\n        secret = "what the crossbowman whispered behind the shield"\n    }}\n}}\n'
SIDES = """\
        local {{
            auth = psk
            id = {me}.example.org
        }}
        remote {{
            auth = psk
            id = {peer}.example.org
        }}
"""
GATEWAY = ("""\
connections {{
    rw {{
        local_addrs = 198.51.100.1
        remote_addrs = %any
        encap = yes
        pools = rw
""" + SIDES + """\
        children {{
            net {{
                local_ts = 10.2.0.0/16
                esp_proposals = aes256gcm16
            }}
        }}
    }}
}}
pools {{
    rw {{
        addrs = 10.3.0.0/24
        dns = 10.2.0.53, 10.2.0.54
        subnet = 10.2.0.0/16
        28672 = welcome
    }}
}}
""" + SECRETS)
CLIENT = ("""\
connections {{
    rw {{
        local_addrs = 192.0.2.1
        remote_addrs = 198.51.100.1
        encap = yes
        vips = {vips}
""" + SIDES + """\
        children {{
            net {{
                remote_ts = 10.2.0.0/16
                esp_proposals = aes256gcm16
            }}
        }}
    }}
}}
""" + SECRETS)
RESOLV = "nameserver 192.0.2.254\n"


def strongswan_is_client(site, tap):
    """sun is our gateway, moon is theirs as a client; its address goes on its ipsec0 device."""
    site.xfrmd[site.sun] = site.sun.xfrmd()
    site.iked[site.sun] = site.sun.iked(GATEWAY.format(me="sun", peer="moon"))
    peer = strongswan.StrongSwan(site.moon, CLIENT.format(me="moon", peer="sun", vips="0.0.0.0"),
                                 extra="install_virtual_ip = yes")
    for number in (1, 2):
        said = peer.swanctl("--initiate", "--child", "net", check=False)
        tap.check(f"strongSwan as client, time {number}: up", "initiate completed successfully" in said,
                  said + peer.log()[-1500:])
        tap.check(f"... its address is {number == 2 and 'the same again' or 'the first of the pool'}",
                  "installing new virtual IP 10.3.0.1" in said, said)
        tap.equal("... packets from it pass", site.moon.ping(BOB[4], 3, 0.05), 3)
        tap.equal("... and to it", site.bob.ping("10.3.0.1", 3, 0.05), 3)
        sas = peer.swanctl("--list-sas")
        tap.check("... its policy is for that address alone", re.search(r"local +10\.3\.0\.1/32", sas), sas)
        if number == 1:
            said = peer.swanctl("--rekey", "--ike", "rw", check=False)
            tap.check("... strongSwan rekeys the IKE SA", "completed successfully" in said, said)
            tap.equal("... packets pass", site.bob.ping("10.3.0.1", 3, 0.05), 3)
        peer.swanctl("--terminate", "--ike", "rw", check=False)
    said = site.sun.swanctl("--list-pools", "--leases").stdout
    tap.check("the lease is kept for it", re.search(r"10\.3\.0\.1 +offline +'moon\.example\.org'", said), said)
    peer.stop()
    site.iked[site.sun].stop()
    site.xfrmd[site.sun].stop()


def address(site):
    return "10.3.0.1" in site.moon("ip -4 address show dev pavise0")


def strongswan_is_gateway(site, tap):
    """moon is our client, sun is theirs as the gateway with a pool and attributes."""
    resolv = site.moon.file("resolv.conf", RESOLV, 0o644)
    config = CLIENT.format(me="moon", peer="sun", vips="0.0.0.0") + f"pavise {{\n    resolv_conf = {resolv}\n}}\n"
    site.xfrmd[site.moon] = site.moon.xfrmd()
    site.iked[site.moon] = site.moon.iked(config)
    peer = strongswan.StrongSwan(site.sun, GATEWAY.format(me="sun", peer="moon"))
    done = site.moon.pavise("up", "net")
    story = site.iked[site.moon].output()
    tap.check("strongSwan as gateway: up", done.returncode == 0, done.stdout + done.stderr + peer.log()[-1500:])
    tap.check("... we have the first address of its pool", address(site), story)
    with open(resolv, encoding="utf-8") as file:
        text = file.read()
    tap.check("... its name servers come first", text.startswith("# pavise-iked: from here\nnameserver 10.2.0.53\n"
                                                                "nameserver 10.2.0.54\n") and RESOLV in text, text)
    tap.check("... the network behind it is told", "10.2.0.0/16 is behind it" in story, story)
    tap.equal("... packets pass", (site.moon.ping(BOB[4], 3, 0.05), site.bob.ping("10.3.0.1", 3, 0.05)), (3, 3))
    for what in ("net", "rw"):
        done = site.moon.pavise("rekey", what)
        tap.check(f"... we rekey {what}", done.returncode == 0, done.stdout + done.stderr)
    wait_until(lambda: "goes on as" in site.iked[site.moon].output(), 3)
    tap.equal("... packets pass", (site.moon.ping(BOB[4], 3, 0.05), site.bob.ping("10.3.0.1", 3, 0.05)), (3, 3))
    said = peer.swanctl("--list-pools", "--leases")
    tap.check("... it lists us", re.search(r"10\.3\.0\.1 +online +'moon\.example\.org'", said), said)
    site.moon.pavise("down", "rw")
    with open(resolv, encoding="utf-8") as file:
        text = file.read()
    tap.check("... and at the end everything is as it was", not address(site) and text == RESOLV, text)
    peer.swanctl("--unload-pool", "rw", check=False)
    peer.stop()
    no_pool(site, tap)
    site.iked[site.moon].stop()
    site.xfrmd[site.moon].stop()


def no_pool(site, tap):
    """A strongSwan without a pool refuses; we say so and do not stay half up."""
    config = GATEWAY.format(me="sun", peer="moon")
    config = config.replace("        pools = rw\n", "")
    peer = strongswan.StrongSwan(site.sun, config)
    done = site.moon.pavise("up", "net")
    said = done.stdout + done.stderr
    tap.check("strongSwan without a pool: refused with a sentence", done.returncode != 0
              and "INTERNAL_ADDRESS_FAILURE" in said and "no virtual IP address" in said, said)
    gone = wait_until(lambda: not peer.swanctl("--list-sas").strip(), 5)
    tap.check("... and nothing is left on either side", gone and not site.spis(site.moon), peer.swanctl("--list-sas"))
    peer.stop()


def test(lab, tap):
    if strongswan.missing():
        tap.skip("strongSwan", strongswan.missing())
        return
    site = Sites(lab)
    strongswan_is_client(site, tap)
    strongswan_is_gateway(site, tap)


if __name__ == "__main__":
    main(test, "virtual addresses with Debian's strongSwan")
