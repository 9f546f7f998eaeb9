#!/usr/bin/python3
"""Ways to authenticate between two Pavises, over IPv4 and IPv6: a client that is nobody in particular (RFC 7619) and a
gateway that proves who it is, and whom such a gateway does not let in; reauthentication that breaks before it makes; a list
of who may come in.

    alice - moon - cafe - sun - bob        moon is the client, sun the gateway
"""
import json
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from lab import main, wait_until
from sites import BOB, OUTER, Sites

SECRETS = "secrets {\n    ike-1 {\n        secret = \"what the crossbowman whispered behind the shield\"\n    }\n}\n"
CLIENT = """\
connections {{
    nobody {{
        remote_addrs = {gateway}
        vips = 0.0.0.0
        local {{
            auth = null
        }}
        remote {{
            auth = psk
            id = sun.example.org
        }}
        children {{
            net {{
                remote_ts = 10.2.0.0/16
            }}
        }}
    }}
}}
"""
GATEWAY = """\
connections {{
    anybody {{
        pools = strangers
        unique = replace
        local {{
            auth = psk
            id = sun.example.org
        }}
        remote {{
            auth = {auth}
        }}
        children {{
            net {{
                local_ts = 10.2.0.0/16
            }}
        }}
    }}
}}
pools {{
    strangers {{
        addrs = 10.7.0.0/24
    }}
}}
"""


def nobody(site, tap, family):
    what = f"NULL authentication, IPv{family}"
    for host, text in ((site.sun, GATEWAY.format(auth="null")), (site.moon, CLIENT.format(gateway=OUTER[family][1]))):
        site.xfrmd[host] = host.xfrmd()
        site.iked[host] = host.iked(text + SECRETS)
    done = site.moon.pavise("up", "net")
    tap.check(f"{what}: the tunnel is up", done.returncode == 0, done.stdout + done.stderr)
    tap.check(f"{what}: ping passes", site.moon.ping(BOB[4], 3, 0.05) == 3, site.iked[site.sun].output()[-1500:])
    tap.check(f"{what}: the log says that nothing was proved", wait_until(
        lambda: "and proves nothing" in site.iked[site.sun].output(), 3), site.iked[site.sun].output())
    tap.check(f"{what}: no identity is shown", "(anonymous)" in site.sun.pavise("status").stdout,
              site.sun.pavise("status").stdout)
    done = site.moon.pavise("rekey", "nobody")
    tap.check(f"{what}: rekeyed", done.returncode == 0 and site.moon.ping(BOB[4], 3, 0.05) == 3, done.stderr)
    site.sun.file("swanctl.conf", GATEWAY.format(auth="psk") + SECRETS)
    site.moon.pavise("down", "nobody")
    os.kill(site.iked[site.sun].pid, signal.SIGHUP)
    wait_until(lambda: "pre-shared" in site.sun.pavise("conns").stdout.partition("peer is")[2], 5)
    done = site.moon.pavise("up", "net")
    tap.check(f"{what}: refused where a proof is asked for", done.returncode != 0 and
              "none expects by nothing at all (null)" in site.iked[site.sun].output(), done.stdout + done.stderr)
    tap.equal(f"{what}: no SA is left", site.spis(site.sun), set())
    for host in (site.moon, site.sun):
        site.iked[host].stop()
        site.xfrmd[host].stop()


ROAD = """\
connections {{
    road {{
        {ends}
        local {{
            auth = psk
            id = {me}.example.org
        }}
        remote {{
            auth = psk
            id = {peer}.example.org
        }}
        children {{
            net {{
                {ts} = 10.2.0.0/16
            }}
        }}
    }}
}}
pools {{
    clients {{
        addrs = 10.7.0.0/24
    }}
}}
"""


def start_road(site, family, settings):
    """moon is a client of sun; both with this strongswan.conf."""
    for host, peer, ends, ts in ((site.sun, "moon", "pools = clients", "local_ts"),
                                 (site.moon, "sun", f"remote_addrs = {OUTER[family][1]}\n        vips = 0.0.0.0", "remote_ts")):
        conf = host.file("own.conf", settings)
        site.xfrmd[host] = host.xfrmd()
        site.iked[host] = host.iked(ROAD.format(ends=ends, me=host.name, peer=peer, ts=ts) + SECRETS,
                                    "--strongswan-conf", conf)


def stop_both(site):
    for host in (site.moon, site.sun):
        site.iked[host].stop()
        site.xfrmd[host].stop()


def listed(site, tap):
    """Who can prove who it is comes in only by a list, which is made at run time."""
    start_road(site, 4, "charon {\n    plugins {\n        whitelist {\n            enable = yes\n        }\n    }\n}\n")

    def pavise(*words):
        done = site.sun.pavise("whitelist", *words)
        return done.returncode, done.stdout + done.stderr

    def comes():
        return site.moon.pavise("up", "net").returncode == 0

    tap.equal("whitelist, enabled and empty: refused", comes(), False)
    told = site.iked[site.sun].output()
    tap.check("... in these words, after a good proof", "authentication of 'moon.example.org' with pre-shared key successful" in told and
              "peer identity 'moon.example.org' not whitelisted" in told, told[-2000:])
    tap.check("... the list says that nobody comes in", "nobody comes in" in pavise("list")[1], pavise("list"))
    tap.equal("identities are added", pavise("add", "venus.example.org", "*.example.org"), (0, ""))
    tap.equal("... and listed", pavise("list"), (0, "*.example.org\nvenus.example.org\n"))
    tap.equal("... and as JSON", json.loads(pavise("list", "--json")[1]),
              {"success": "yes", "enabled": "yes", "identities": "2", "ids": ["*.example.org", "venus.example.org"]})
    tap.equal("a pattern lets in", comes(), True)
    site.moon.pavise("down", "road")
    tap.equal("it is removed", pavise("remove", "*.example.org"), (0, ""))
    tap.equal("... and no more", comes(), False)
    tap.equal("it is disabled", pavise("disable"), (0, ""))
    site.sun.pavise("reload")
    tap.equal("... which holds over a reload: everybody comes in", comes(), True)
    tap.equal("a wrong word, an identity that is missing, and one that is not there",
              [pavise(*words)[0] for words in (("ad", "x"), ("add",), ("remove", "mars.example.org"), ("add", ""))], [2, 2, 1, 1])
    stop_both(site)


def break_before_make(site, tap, family):
    """charon.make_before_break = no: DELETE first, and the client has its address all the time."""
    what = f"break before make, IPv{family}"
    start_road(site, family, "charon {\n    make_before_break = no\n}\n")
    done = site.moon.pavise("up", "net")
    tap.check(f"{what}: the tunnel is up", done.returncode == 0, done.stdout + done.stderr)
    monitor = site.moon.start("ip monitor address", "monitor")
    done = site.moon.swanctl("--rekey", "--ike", "road", "--reauth")
    tap.check(f"{what}: reauthentication is asked for", done.returncode == 0, done.stdout + done.stderr)
    story = site.iked[site.sun].output
    tap.check(f"{what}: a new IKE SA is there", wait_until(lambda: "IKE_SA road[2] established" in story(), 10),
              story()[-2000:])
    tap.check(f"{what}: the old one was deleted first", wait_until(lambda: "IKE_SA deleted" in story(), 3) and
              story().index("IKE_SA deleted") < story().index("IKE_SA road[2] established"), story()[-3000:])
    tap.check(f"{what}: ping passes", wait_until(lambda: site.moon.ping(BOB[4], 1) == 1, 5), story()[-2000:])
    tap.check(f"{what}: it has the same address", "10.7.0.1" in site.moon("ip -4 address") and
              "10.7.0.2" not in site.moon("ip -4 address"), site.moon("ip -4 address"))
    tap.check(f"{what}: and never went without it", "Deleted" not in monitor.output(), monitor.output())
    monitor.stop()
    stop_both(site)


def test(lab, tap):
    site = Sites(lab)
    for family in (4, 6):
        nobody(site, tap, family)
        break_before_make(site, tap, family)
    listed(site, tap)


if __name__ == "__main__":
    main(test, "ways to authenticate")
