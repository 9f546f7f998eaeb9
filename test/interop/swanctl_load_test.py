#!/usr/bin/python3
"""Stock swanctl loads everything: pavise-iked starts without configuration, `swanctl --load-all` brings it, and what
is changed, broken or gone in the files is changed, refused or gone in the daemon."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
from lab import main
from sites import BOB, Sites
from vici_client import Client

OPTIONS = {"inner": (4,)}
CERTS = """\
connections {{
    sites {{
        local_addrs = {local}
        remote_addrs = {remote}
        local {{
            auth = pubkey
            certs = {me}.pem
            id = {me}.example.org
        }}
        remote {{
            auth = pubkey
            id = {peer}.example.org
        }}
        children {{
            net-net {{
                local_ts = {local_ts}
                remote_ts = {remote_ts}
            }}
        }}
    }}
}}
authorities {{
    strong {{
        cacert = root.pem
        crl_uris = http://127.0.0.1:1/root.crl
    }}
}}
pools {{
    rw {{
        addrs = 10.3.0.0/24
        dns = 10.1.0.1, 10.1.0.2
    }}
}}
"""


class Swanctl:
    """Stock swanctl on a host, with a folder of its own."""

    def __init__(self, host):
        self.host = host
        self.dir = os.path.join(host.dir, "swanctl")
        for folder in ("x509", "x509ca", "private"):
            os.makedirs(os.path.join(self.dir, folder), exist_ok=True)

    def write(self, text):
        with open(os.path.join(self.dir, "swanctl.conf"), "w", encoding="utf-8") as file:
            file.write(text)

    def __call__(self, *arguments):
        done = self.host.try_run(["env", f"SWANCTL_DIR={self.dir}", "swanctl", *arguments, "--uri",
                                  f"unix://{self.host.vici}"], timeout=60)
        return done.returncode, done.stdout + done.stderr


def mint(path):
    """A root, and certificates for moon and sun, with openssl."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=path)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "root.key",
            "-out", "root.pem", "-days", "30", "-subj", "/CN=Strong root", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    for name in ("moon", "sun"):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
                "-out", f"{name}.csr", "-subj", f"/CN={name}.example.org")
        with open(os.path.join(path, f"{name}.ext"), "w", encoding="utf-8") as file:
            file.write(f"subjectAltName=DNS:{name}.example.org\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial",
                "-days", "30", "-extfile", f"{name}.ext", "-out", f"{name}.pem")


def shared(site, tap, moon):
    """Secrets and connections, again and changed."""
    good = site.config("moon", **OPTIONS)
    moon.write(good)
    code, text = moon("--load-all", "--noprompt")
    tap.check("--load-all succeeds on a daemon without configuration", code == 0
              and "loaded ike secret 'ike-sites'" in text and "loaded connection 'sites'" in text, text)
    site.up()
    tap.check("the tunnel works", site.alice.ping(BOB[4], 3) == 3)
    before = site.spis(site.moon)
    moon("--load-all", "--noprompt")
    tap.equal("the same again leaves the SAs alone", site.spis(site.moon), before)
    moon.write(good.replace("local_ts = ", "local_tss = "))
    code, text = moon("--load-conns")
    tap.check("a mistake is refused, with place, cause and remedy", code != 0
              and "sites.children.net-net.local_tss: 'local_tss' is not a setting of a child; did you mean 'local_ts'?" in text,
              text)
    tap.check("and the connection of before stays", "net-net: TUNNEL" in moon("--list-conns")[1], moon("--list-conns")[1])
    moon.write(good.replace("    sites {", "    villages {").replace("ike-sites", "ike-villages"))
    code, text = moon("--load-all", "--noprompt")
    tap.check("what is gone in the file is unloaded", code == 0, text)
    listed = moon("--list-conns")[1]
    tap.check("and what is new is there", "villages: IKEv2" in listed and "sites: IKEv2" not in listed, listed)
    tap.equal("SAs of what is gone stay until they end", site.spis(site.moon), before)
    tap.check("and carry traffic", site.alice.ping(BOB[4], 2) == 2)
    site.moon.pavise("down", "sites")


def certificates(site, tap, moon, sun):
    mint(moon.dir)
    for me, end in (("moon", moon), ("sun", sun)):
        for name, folder in ((f"{me}.pem", "x509"), ("root.pem", "x509ca"), (f"{me}.key", "private")):
            with open(os.path.join(moon.dir, name), "rb") as source, \
                    open(os.path.join(end.dir, folder, name), "wb") as target:
                target.write(source.read())
        outer = ("192.0.2.1", "198.51.100.1")
        inner = ("10.1.0.0/16", "10.2.0.0/16")
        one = 0 if me == "moon" else 1
        end.write(CERTS.format(me=me, peer=("sun", "moon")[one], local=outer[one], remote=outer[1 - one],
                               local_ts=inner[one], remote_ts=inner[1 - one]))
        code, text = end("--load-all", "--noprompt")
        tap.check(f"{me}: --load-all with certificates, keys, pools, authorities", code == 0
                  and "loaded certificate from" in text and "loaded private key from" in text, text)
    site.up()
    tap.check("the tunnel works", site.alice.ping(BOB[4], 3) == 3)
    tap.check("--list-pools", "rw" in moon("--list-pools")[1], moon("--list-pools")[1])
    text = moon("--list-authorities")[1]
    tap.check("--list-authorities", "strong:" in text and "CN=Strong root" in text and "http://127.0.0.1:1/" in text, text)
    text = moon("--list-certs")[1]
    tap.check("--list-certs", "subject:  \"CN=moon.example.org\"" in text and "has private key" in text
              and "List of X.509 CA Certificates" in text, text)
    done = site.moon.pavise("list", "certs", "--json")
    found = {cert["subject"]: cert for cert in json.loads(done.stdout)}
    tap.check("pavise list certs --json", found["CN=moon.example.org"].get("has_privkey") == "yes"
              and found["CN=Strong root"]["flag"] == "CA" and found["CN=moon.example.org"]["not-after"] > "2026", done.stdout)
    code, text = moon("--load-creds", "--noprompt", "--clear")
    tap.check("--load-creds --clear", code == 0, text)
    site.moon.pavise("down", "net-net")
    site.up()
    tap.check("works after that, too", site.alice.ping(BOB[4], 3) == 3)
    client = Client(site.moon.vici)
    keys = client.ask("get-keys")["keys"]
    os.unlink(os.path.join(moon.dir, "private", "moon.key"))
    code, text = moon("--load-creds", "--noprompt")
    tap.equal("a key whose file has gone is unloaded", (len(keys), client.ask("get-keys")["keys"], code), (1, [], 0))
    client.close()


def broken(site, tap):
    """strongSwan's swanctl takes a missing brace for the end of everything, unloads it all and is content."""
    good = site.config("sun", **OPTIONS)
    before = site.sun.pavise("conns").stdout
    site.sun.file("swanctl.conf", good[:good.rindex("}")].replace("net-net", "another"))
    done = site.sun.pavise("reload")
    tap.check("pavise reload with a missing brace: exit status 1, and why", done.returncode == 1
              and "never closed" in done.stderr, done.stdout + done.stderr)
    tap.equal("what was in force stays", site.sun.pavise("conns").stdout, before)
    site.sun.file("swanctl.conf", good.replace("net-net", "another"))
    tap.equal("a good one is taken", site.sun.pavise("reload").returncode, 0)
    tap.check("and in force", "another" in site.sun.pavise("conns").stdout)
    done = site.sun.pavise("list", "polices")
    tap.check("pavise list: did you mean", done.returncode == 2 and "pavise list policies" in done.stderr, done.stderr)


def test(lab, tap):
    if not os.path.exists("/usr/sbin/swanctl"):
        tap.skip("swanctl loads", "stock swanctl is missing (package strongswan-swanctl)")
        return
    site = Sites(lab)
    for host in (site.moon, site.sun):
        site.xfrmd[host] = host.xfrmd()
    site.iked[site.moon] = site.moon.iked("", "--vici-only")
    site.iked[site.sun] = site.sun.iked(site.config("sun", **OPTIONS))
    moon, sun = Swanctl(site.moon), Swanctl(site.sun)
    shared(site, tap, moon)
    broken(site, tap)
    certificates(site, tap, moon, sun)
    for host in (site.moon, site.sun):
        tap.equal(f"{host.name}: pavise-iked ends with status 0", site.iked[host].stop(), 0)


if __name__ == "__main__":
    main(test, "stock swanctl loads")
