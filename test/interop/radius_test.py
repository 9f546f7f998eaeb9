#!/usr/bin/python3
"""A gateway whose clients FreeRADIUS proves, behind a server that is silent: who comes in and who does not, addresses and
limits that the server grants, groups, and accounting.

    moon (client) - sun (gateway, and the server at its loopback address) - bob
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
from lab import main, wait_until
from sites import BOB, OUTER, Sites

SERVER = "/usr/sbin/freeradius"
SECRET = "what the crossbowman whispered"
# Everything that it needs stands here: nothing of the machine's own configuration is read but dictionaries.
RADIUSD = """\
name = radius-test
logdir = {dir}
run_dir = {dir}
libdir = /usr/lib/freeradius
pidfile = {dir}/radiusd.pid
security {{
    allow_vulnerable_openssl = yes
}}
client gateway {{
    ipaddr = 127.0.0.1
    secret = "{secret}"
    require_message_authenticator = yes
}}
modules {{
    eap {{
        default_eap_type = mschapv2
        md5 {{
        }}
        mschapv2 {{
        }}
    }}
    mschap {{
    }}
    files {{
        usersfile = {dir}/users
    }}
    detail {{
        filename = {dir}/detail
        permissions = 0600
    }}
}}
server default {{
    listen {{
        type = auth
        ipaddr = 127.0.0.1
        port = 1812
    }}
    listen {{
        type = acct
        ipaddr = 127.0.0.1
        port = 1813
    }}
    authorize {{
        eap {{
            ok = return
        }}
        files
    }}
    authenticate {{
        Auth-Type MS-CHAP {{
            mschap
        }}
        eap
    }}
    accounting {{
        detail
    }}
}}
"""
USERS = """\
carol Cleartext-Password := "Ar3etTnp"
    Framed-IP-Address = 10.7.0.9, Class = "friends", Session-Timeout = 3000, MS-Primary-DNS-Server = 10.2.0.53
dave Cleartext-Password := "W7R0g3do"
    Class = "strangers"
erin Cleartext-Password := "mt4kLpWq"
    Class = "friends"
"""
STRONGSWAN = """\
charon {{
    plugins {{
        eap-radius {{
            accounting = yes
            accounting_interval = 1
            accounting_send_class = yes
            class_group = yes
            dae {{
                enable = yes
                listen = 127.0.0.1
                secret = "{secret}"
            }}
            retransmit_timeout = 0.3
            retransmit_tries = 1
            servers {{
                silent {{
                    address = 127.0.0.2
                    preference = 10
                    secret = nobody hears it
                }}
                loud {{
                    address = 127.0.0.1
                    secret = "{secret}"
                    retransmit_timeout = 5
                }}
            }}
        }}
    }}
}}
"""
GATEWAY = """\
connections {
    road {
        pools = radius, spare
        local {
            auth = psk
            id = sun.example.org
        }
        remote {
            auth = eap-radius
            eap_id = %any
            groups = friends
        }
        children {
            net {
                local_ts = 10.2.0.0/16
            }
        }
    }
}
pools {
    spare {
        addrs = 10.8.0.0/24
    }
}
secrets {
    ike-1 {
        secret = "behind the shield of the other side"
    }
}
"""
CLIENT = """\
connections {{
    {name} {{
        remote_addrs = {gateway}
        vips = 0.0.0.0
        local {{
            auth = {auth}
            eap_id = {name}
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
secrets {{
    ike-1 {{
        secret = "behind the shield of the other side"
    }}
    eap-1 {{
        id = {name}
        secret = "{password}"
    }}
}}
"""


def missing():
    if not os.path.exists(SERVER):
        return "freeradius is missing (package freeradius)"
    found = subprocess.run([SERVER, "-v"], capture_output=True, text=True, check=False)
    return None if "Version 3" in found.stdout + found.stderr else "freeradius is not of version 3"


class Server:
    def __init__(self, lab, host):
        self.dir = os.path.join(lab.dir, "raddb")
        os.mkdir(self.dir)
        for name, text in (("radiusd.conf", RADIUSD), ("users", USERS)):
            with open(os.path.join(self.dir, name), "w", encoding="utf-8") as f:
                f.write(text.format(dir=self.dir, secret=SECRET))
        self.process = host.start([SERVER, "-X", "-n", "radiusd", "-d", self.dir, "-D", "/usr/share/freeradius"], "freeradius")
        self.process.wait_for("Ready to process requests", 30)

    def records(self):
        """What was accounted for, as dictionaries."""
        try:
            with open(os.path.join(self.dir, "detail"), encoding="utf-8") as f:
                text = f.read()
        except FileNotFoundError:
            return []
        return [dict(re.findall(r"^\t(\S+) = \"?([^\"\n]*)", part, re.M)) for part in text.split("\n\n") if part.strip()]

    def count(self, status):
        return sum(r.get("Acct-Status-Type") == status for r in self.records())

    def record(self, status, user):
        found = [r for r in self.records() if r.get("Acct-Status-Type") == status and r.get("User-Name") == user]
        return found[-1] if found else None


def comes(site, name, password, auth="eap"):
    site.iked[site.moon] = site.moon.iked(CLIENT.format(name=name, auth=auth, password=password, gateway=OUTER[4][1]),
                                          "--strongswan-conf", "no")
    done = site.moon.pavise("up", "net")
    return done.returncode == 0, done.stdout + done.stderr


def goes(site):
    site.iked[site.moon].stop()


def carol(site, tap, server):
    good, said = comes(site, "carol", "Ar3etTnp")
    told = site.iked[site.sun].output()
    tap.check("MSCHAPv2 by the server: the tunnel is up", good, said + told[-3000:] + server.process.output()[-3000:])
    tap.check("... the silent server was asked first, and then the other one",
              "RADIUS server 'silent' is not responding" in told and "received RADIUS Access-Accept from server 'loud'" in told, told)
    tap.check("... a key came with it", "EAP method EAP_MSCHAPV2 succeeded, MSK established" in told, told)
    tap.check("... the address is the server's", "assigning virtual IP 10.7.0.9 to peer 'carol'" in told, told)
    tap.check("... and the name server", "10.2.0.53" in site.iked[site.moon].output(), site.iked[site.moon].output()[-2000:])
    tap.check("... and the time, which the client is told", "received AUTH_LIFETIME of 3000s" in site.iked[site.moon].output())
    tap.check("a secret or a password is in no log", SECRET not in told and "Ar3etTnp" not in told)
    tap.equal("ping passes", site.moon.ping(BOB[4], 5, 0.05), 5)
    wait_until(lambda: server.record("Start", "carol"), 30)
    start = server.record("Start", "carol") or {}
    tap.equal("accounting: it has begun", (start.get("Framed-IP-Address"), start.get("Class"), start.get("NAS-Identifier")),
              ("10.7.0.9", "0x667269656e6473", "strongSwan"))
    tap.check("... and goes on", wait_until(lambda: (server.record("Interim-Update", "carol") or {}).get("Acct-Input-Octets") == "420", 30),
              server.records())
    goes(site)
    wait_until(lambda: server.record("Stop", "carol"), 30)
    stop = server.record("Stop", "carol") or {}
    tap.equal("... and ended, with the bytes of inner packets",
              [stop.get(k) for k in ("Acct-Session-Id", "Acct-Input-Octets", "Acct-Output-Octets", "Acct-Input-Packets",
                                     "Acct-Output-Packets", "Acct-Terminate-Cause")],
              [start.get("Acct-Session-Id"), "420", "420", "5", "5", "User-Request"])


ASK = """\
import hashlib, socket, struct, sys
secret, user = sys.argv[1].encode(), sys.argv[2].encode()
attrs = bytes([1, 2 + len(user)]) + user
head = struct.pack(">BBH", 40, 9, 20 + len(attrs))
packet = head + hashlib.md5(head + bytes(16) + attrs + secret).digest() + attrs
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
for i in range(2):
    s.sendto(packet, ("127.0.0.1", 3799))
    try:
        print(s.recv(4096)[0])
    except socket.timeout:
        print("silence")
        break
"""


def put_out(site, tap):
    """A server disconnects a client, by its name and the secret (RFC 5176)."""
    def ask(secret, user):
        return site.sun(["/usr/bin/python3", "-c", ASK, secret, user]).split()

    good, said = comes(site, "carol", "Ar3etTnp")
    tap.check("she comes again", good, said)
    tap.equal("a Disconnect-Request with another secret is not answered", ask("another", "carol"), ["silence"])
    tap.equal("... nor does one about somebody else do anything: NAK", ask(SECRET, "dave"), ["42", "42"])
    tap.equal("... she is still here", site.moon.ping(BOB[4], 2, 0.05), 2)
    tap.equal("one about her is done, once: ACK, and the same when it is repeated", ask(SECRET, "carol"), ["41", "41"])
    tap.check("... and she is out", wait_until(lambda: site.spis(site.sun) == set(), 30), site.iked[site.sun].output()[-2000:])
    goes(site)


def others(site, tap, server):
    good, said = comes(site, "dave", "W7R0g3do")
    told = site.iked[site.sun].output()
    tap.check("who is in another group is refused", not good and "group membership to 'friends' required" in told, said + told[-2000:])
    goes(site)
    good, said = comes(site, "carol", "wrong")
    told = site.iked[site.sun].output()
    tap.check("a wrong password is refused", not good and "RADIUS authentication of 'carol' failed" in told, said + told[-2000:])
    goes(site)
    good, said = comes(site, "erin", "mt4kLpWq", "eap-md5")
    told = site.iked[site.sun].output()
    tap.check("MD5, which the client asks for, gives no key, and works; without an address of the server's a pool has one",
              good and "EAP method EAP_MD5 succeeded, no MSK established" in told and
              "assigning virtual IP 10.8.0.1 to peer 'erin'" in told, said + told[-2000:] + server.process.output()[-2000:])
    goes(site)


def silence(site, tap, server):
    """close_all_on_timeout: the server falls silent, and a record is lost."""
    text = STRONGSWAN.format(secret=SECRET).replace("retransmit_timeout = 5", "retransmit_timeout = 0.3")
    conf = site.sun.file("own.conf", text.replace("accounting_interval", "close_all_on_timeout = yes\n            accounting_interval"))
    site.iked[site.sun] = site.sun.iked(GATEWAY, "--strongswan-conf", conf)
    good, said = comes(site, "carol", "Ar3etTnp")
    server.process.stop()
    told = site.iked[site.sun].wait_for("deleting all IKE_SAs after RADIUS timeout", 60)
    tap.check("nobody answers an interim record: all IKE SAs end", good and told, said + site.iked[site.sun].output()[-2000:])
    tap.check("... on both sides", wait_until(lambda: site.spis(site.sun) == set() and site.spis(site.moon) == set(), 30),
              site.iked[site.sun].output()[-2000:])
    goes(site)
    site.iked[site.sun].stop()


def test(lab, tap):
    if missing():
        tap.skip("FreeRADIUS", missing())
        return
    site = Sites(lab)
    server = Server(lab, site.sun)
    for host in (site.moon, site.sun):
        site.xfrmd[host] = host.xfrmd()
    conf = site.sun.file("own.conf", STRONGSWAN.format(secret=SECRET))
    site.iked[site.sun] = site.sun.iked(GATEWAY, "--strongswan-conf", conf)
    carol(site, tap, server)
    others(site, tap, server)
    put_out(site, tap)
    good, said = comes(site, "carol", "Ar3etTnp")
    ends = server.count("Stop")
    site.iked[site.sun].stop()
    tap.equal("the gateway ends: its last record is there before it has", (good, server.count("Stop")), (True, ends + 1))
    goes(site)
    tap.equal("no SA is left", wait_until(lambda: site.spis(site.sun) == set(), 30) or site.spis(site.sun), True)
    silence(site, tap, server)


if __name__ == "__main__":
    main(test, "FreeRADIUS")
