"""sites - two Pavise gateways with one net-to-net tunnel, in every variation that tests ask for."""
import os

from lab import Failed, wait_until

SECRET = "what the crossbowman whispered behind the shield"

CONFIG = """\
connections {{
    sites {{
        local_addrs = {local}
        remote_addrs = {remote}
        encap = {encap}
        proposals = {ike}
        {conn_extra}
        local {{
            auth = psk
            id = {me}.example.org
        }}
        remote {{
            auth = psk
            id = {peer}.example.org
        }}
        children {{
            net-net {{
                local_ts = {local_ts}
                remote_ts = {remote_ts}
                esp_proposals = {esp}
                {child_extra}
            }}
        }}
    }}
}}
secrets {{
    ike-sites {{
        id-1 = moon.example.org
        id-2 = sun.example.org
        secret = "{secret}"
    }}
}}
"""

OUTER = {4: ("192.0.2.1", "198.51.100.1"), 6: ("2001:db8:a::1", "2001:db8:b::1")}
INNER = {4: ("10.1.0.0/16", "10.2.0.0/16"), 6: ("fd00:1::/64", "fd00:2::/64")}
BOB = {4: "10.2.0.10", 6: "fd00:2::10"}
ALICE = {4: "10.1.0.10", 6: "fd00:1::10"}


class Sites:
    """alice - moon - cafe - sun - bob with Pavise on moon and sun."""

    def __init__(self, lab, nat=False):
        self.lab = lab
        self.alice, self.moon, self.cafe, self.sun, self.bob = lab.two_sites(nat)
        self.xfrmd, self.iked, self.options = {}, {}, {}

    def config(self, me, **options):
        o = {"outer": 4, "inner": (4, 6), "encap": False, "ike": "default", "esp": "default", "conn_extra": "",
             "child_extra": "", "secret": SECRET, "remote_any": False, **options}
        side = 0 if me == "moon" else 1
        ts = [",".join(INNER[family][end] for family in o["inner"]) for end in (0, 1)]
        outer = OUTER[o["outer"]]
        return CONFIG.format(
            local=outer[side], remote="%any" if o["remote_any"] and me == "sun" else outer[1 - side],
            me=me, peer=("sun", "moon")[side], encap="yes" if o["encap"] else "no", ike=o["ike"], esp=o["esp"],
            local_ts=ts[side], remote_ts=ts[1 - side], conn_extra=o["conn_extra"], child_extra=o["child_extra"],
            secret=o["secret"])

    def start(self, xfrmd_options=(), iked_options=(), executor="pavise", **options):
        self.options = options
        for host in (self.moon, self.sun):
            if executor == "pavise":
                self.xfrmd[host] = host.xfrmd(*xfrmd_options)
            else:
                iked_options = [*iked_options, "--executor", executor]
            self.iked[host] = host.iked(self.config(host.name, **options), *iked_options)
        return self

    def keep_order(self):
        """A virtual cable queues what it carries at the CPU that sends, so that a flow whose sender moves to another
        CPU overtakes itself. With receive packet steering a flow stays on one CPU, and what is late then was late in
        Pavise."""
        cpus = f"{(1 << os.cpu_count()) - 1:x}"
        for host in (self.alice, self.moon, self.cafe, self.sun, self.bob):
            host(["sh", "-c", f"for f in /sys/class/net/*/queues/rx-*/rps_cpus; do echo {cpus} >$f; done"])

    def up(self, child="net-net", host=None):
        done = (host or self.moon).pavise("up", child)
        if done.returncode:
            raise Failed(f"pavise up {child}: {done.stdout}{done.stderr}")
        return done.stdout

    def spis(self, host):
        """SPIs of the SAs in a host's executor, by stock ip xfrm."""
        import re
        return set(re.findall(r"spi (0x[0-9a-f]+)", host.ip_xfrm("xfrm state list").stdout))

    def settled(self, count=2, seconds=10):
        """Waits until both executors hold `count` SAs and the same ones."""
        return wait_until(lambda: len(self.spis(self.moon)) == count and self.spis(self.moon) == self.spis(self.sun),
                          seconds, 0.2)
