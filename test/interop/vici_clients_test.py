#!/usr/bin/python3
"""VICI clients of their own (test/interop/vici_client.py): many at once, slow and malicious ones, a daemon that is
configured wholly by one, and every event while a tunnel comes and goes."""
import ctypes
import os
import random
import socket
import struct
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../net")]
from lab import main, wait_until
from sites import BOB, SECRET, Sites
from vici_client import Client, Refused

try:
    import vici
except ImportError:
    vici = None

LIBVICI = "/usr/lib/ipsec/libvici.so.0"
OPTIONS = {"inner": (4,)}
CONNS = 400
CLIENTS = 24
EVENTS = ("ike-updown", "child-updown", "ike-rekey", "child-rekey", "log")


def connection(remote="198.51.100.1"):
    return {"version": "2", "local_addrs": ["192.0.2.1"], "remote_addrs": [remote],
            "local": {"auth": "psk", "id": "moon.example.org"}, "remote": {"auth": "psk", "id": "sun.example.org"},
            "children": {"net-net": {"local_ts": ["10.1.0.0/16"], "remote_ts": ["10.2.0.0/16"]}}}


def configured(site, tap):
    """A daemon that started with nothing gets all by VICI, and tells every event."""
    client, watcher = Client(site.moon.vici), Client(site.moon.vici)
    watcher.register(*EVENTS)
    client.ask("load-shared", {"id": "ike-sites", "type": "IKE", "data": SECRET.encode(),
                               "owners": ["moon.example.org", "sun.example.org"]})
    client.ask("load-conn", {"sites": connection()})
    tap.equal("get-conns", client.ask("get-conns")["conns"], [b"sites"])
    client.register("control-log")
    client.ask("initiate", {"child": "net-net", "timeout": "10000", "loglevel": "1"})
    lines = [body["msg"] for name, body in client.events if name == "control-log"]
    tap.check("initiate streams control-log", lines and all(b"\n" not in line for line in lines), lines)
    tap.equal("the tunnel works", site.alice.ping(BOB[4], 3), 3)
    up, child = watcher.wait("ike-updown"), watcher.wait("child-updown")
    tap.check("ike-updown, child-updown", up["up"] == b"yes" and up["sites"]["state"] == b"ESTABLISHED" and child["up"] == b"yes"
              and [sa["name"] for sa in child["sites"]["child-sas"].values()] == [b"net-net"], (up, child))
    client.ask("rekey", {"child": "net-net"})
    rekeyed = watcher.wait("child-rekey")["sites"]["child-sas"]["net-net"]
    tap.check("child-rekey has old and new", rekeyed["old"]["spi-in"] != rekeyed["new"]["spi-in"], rekeyed)
    client.ask("rekey", {"ike": "sites"})
    rekeyed = watcher.wait("ike-rekey")["sites"]
    tap.check("ike-rekey has old and new", rekeyed["old"]["uniqueid"] != rekeyed["new"]["uniqueid"], rekeyed)
    sas = client.stream("list-sas", "list-sa")
    tap.check("list-sas", len(sas) == 1 and sas[0]["sites"]["version"] == b"2", sas)
    counters = client.ask("get-counters", {"name": "sites"})["counters"]["sites"]
    tap.check("get-counters", counters["ike-init-out-req"] == b"1" and counters["ike-rekey-init"] == b"1"
              and counters["child-rekey"] == b"1" and int(counters["create-child-out-req"]) >= 2, counters)
    client.ask("reset-counters", {"name": "sites"})
    tap.equal("reset-counters", client.ask("get-counters", {"name": "sites"})["counters"]["sites"]["ike-init-out-req"], b"0")
    done = client.ask("terminate", {"ike": "sites", "timeout": "5000"})
    tap.equal("terminate", (done["matches"], done["terminated"]), (b"1", b"1"))
    down = watcher.wait("ike-updown")
    tap.check("ike-updown without up", "up" not in down, down)
    client.close()
    watcher.close()


def unloaded(site, tap):
    """As charon does it: what start_action has started goes with the connection, the rest stays; and alerts."""
    client, watcher = Client(site.moon.vici), Client(site.moon.vici)
    watcher.register("alert")
    tree = connection()
    tree["children"]["net-net"]["start_action"] = "start"
    client.ask("load-conn", {"sites": tree})
    up = wait_until(lambda: any(sa["sites"]["child-sas"] for sa in client.stream("list-sas", "list-sa")), 20, 0.2)
    tap.check("start_action = start opens the tunnel", up)
    up = lambda: [(name, child["uniqueid"]) for sa in client.stream("list-sas", "list-sa")
                  for name, child in sa["sites"]["child-sas"].items() if child["state"] == b"INSTALLED"]
    before = up()
    client.ask("load-conn", {"sites": tree})
    tree["children"]["net-net"]["life_time"] = "5h"
    tap.equal("load-conn with the same leaves it alone", up(), before)
    client.ask("load-conn", {"sites": tree})
    tap.check("... and with something else has it opened anew", wait_until(lambda: up() and up() != before, 20, 0.2), up())
    client.ask("unload-conn", {"name": "sites"})
    gone = wait_until(lambda: not client.stream("list-sas", "list-sa"), 20, 0.2)
    tap.check("unload-conn ends what was started", gone, client.stream("list-sas", "list-sa"))
    client.ask("load-conn", {"sites": connection()})
    client.ask("initiate", {"child": "net-net", "timeout": "10000"})
    client.ask("unload-conn", {"name": "sites"})
    time.sleep(0.5)
    tap.equal("... and leaves what was not", len(client.stream("list-sas", "list-sa")), 1)
    client.ask("terminate", {"ike": "sites", "timeout": "5000"})
    tree = connection()
    tree["children"]["net-net"]["remote_ts"] = ["10.77.0.0/16"]
    client.ask("load-conn", {"sites": tree})
    try:
        client.ask("initiate", {"child": "net-net", "timeout": "10000"})
    except Refused:
        pass
    seen = [watcher.wait("alert"), watcher.wait("alert")]
    tap.check("alerts name the type and the IKE SA", [one["type"] for one in seen] == [b"ts-mismatch", b"keep-on-child-sa-failure"]
              and list(seen[0]["ike-sa"]["sites"])[:3] == ["uniqueid", "version", "state"], seen)
    client.ask("terminate", {"ike": "sites", "timeout": "5000"})
    client.ask("load-conn", {"sites": connection()})
    client.close()
    watcher.close()


def many(site, tap):
    """Loading, looking and unloading by many at once."""
    wrong = []

    def work(number):
        try:
            client = Client(site.moon.vici, 60)
            for i in range(CONNS // CLIENTS):
                name = f"c{number}-{i}"
                client.ask("load-conn", {name: connection(f"203.0.113.{number}")})
                found = client.stream("list-conns", "list-conn", {"ike": name})
                if [list(one) for one in found] != [[name]]:
                    wrong.append((name, found))
            client.close()
        except (OSError, EOFError, Refused) as e:
            wrong.append((number, e))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    tap.equal(f"{CLIENTS} clients at once load and look", wrong, [])
    client = Client(site.moon.vici)
    tap.equal("nothing got lost", len(client.ask("get-conns")["conns"]), 1 + CONNS // CLIENTS * CLIENTS)
    client.close()


def slow(site, tap):
    """One that asks and never reads, one that stops in the middle of a packet."""
    lazy = [Client(site.moon.vici) for _ in range(4)]
    for client in lazy:
        client.register("list-conn", "log")
        for _ in range(40):
            client.send(0, "list-conns")
    half = Client(site.moon.vici)
    half.socket.sendall(struct.pack("!I", 5000) + b"\0")
    client = Client(site.moon.vici)
    times = []
    for _ in range(20):
        since = time.monotonic()
        client.ask("version")
        times.append(time.monotonic() - since)
    # A loaded machine may hold up one of them; what is stalled by another would be all.
    tap.check("others are answered within a second", sorted(times)[len(times) // 2] < 1 and max(times) < 15, times)
    for one in (*lazy, half, client):
        one.close()


def malicious(site, tap):
    rng = random.Random(1)
    for _ in range(300):
        raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        raw.connect(site.moon.vici)
        body = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 60)))
        name = rng.choice((b"load-conn", b"load-shared", b"load-cert", b"load-pool", b"load-key", b"load-authority"))
        packet = bytes([0, len(name)]) + name + body
        raw.sendall(struct.pack("!I", rng.choice((len(packet), len(packet), 0, 0xffffffff))) + packet)
        raw.close()
    client = Client(site.moon.vici)
    tap.equal("rubbish harms nobody", client.ask("version")["daemon"], b"pavise-iked")
    wrong = (("load-conn", {"x": {"remote_addrs": ["10.0.0.0/40"]}}), ("load-conn", {"x": "y"}), ("load-token", {"handle": "1"}),
             ("load-pool", {"p": {"addrs": "nowhere"}}), ("load-cert", {"type": "X509", "data": b"\0\1"}),
             ("load-conn", {"x": {"local": {"certs": [b"-----BEGIN"]}, "remote": {}}}),
             ("load-shared", {"type": "IKE", "data": b"x" * 5000}))
    for command, tree in wrong:
        try:
            client.ask(command, tree)
            tap.check(f"{command} {tree} is refused", False)
        except Refused as e:
            tap.check(f"{command}: {str(e)[:60]}", len(str(e)) > 10)
    client.close()


def plain(value):
    """What strongSwan's client returns, as what ours does."""
    if isinstance(value, dict):
        return {(k.decode() if isinstance(k, bytes) else k): plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else value


def session_at(site):
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    raw.connect(site.moon.vici)
    return vici.Session(raw)


def stock_load(site, number, wrong):
    """One of several strongSwan clients that look at everything at once."""
    try:
        session = session_at(site)
        for _ in range(15):
            sas = [plain(sa) for sa in session.list_sas()]
            conns = [plain(conn) for conn in session.list_conns()]
            if [list(sa) for sa in sas] != [["sites"]] or len(conns) < CONNS // CLIENTS or session.stats()["ikesas"]["total"] != b"1":
                wrong.append((number, sas, len(conns)))
    except Exception as e:  # pylint: disable=broad-except
        wrong.append((number, repr(e)))


def stock_python(site, tap):
    """strongSwan's own Python client, unchanged: commands, streams, control-log, events; many of them at once."""
    if vici is None:
        tap.skip("strongSwan's Python client", "no Python package vici (strongSwan's, from PyPI or its sources by PYTHONPATH)")
        return
    session = session_at(site)
    tap.equal("vici.Session.version()", plain(session.version())["daemon"], b"pavise-iked")
    log = [plain(line) for line in session.initiate({"child": "net-net", "timeout": "10000"})]
    tap.check("initiate() streams the log", log and all("msg" in line for line in log), log)
    wrong = []
    threads = [threading.Thread(target=stock_load, args=(site, n, wrong)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    tap.equal("six of them look at everything at once", wrong, [])
    try:
        session.load_conn({"x": {"remote_addrs": ["10.0.0.0/40"]}})
        tap.check("a mistake raises CommandException", False)
    except vici.exception.CommandException as e:
        tap.check("a mistake raises CommandException with its sentence", "/40" in str(e), str(e))
    events = session.listen(["child-updown"], timeout=0.1)
    other = session_at(site)
    seen = []
    for name, body in events:
        if name is None:
            list(other.terminate({"ike": "sites", "timeout": "5000"}))
            continue
        seen.append((name, plain(body)))
        break
    tap.check("listen() yields the event", [name for name, _ in seen] == [b"child-updown"] and "sites" in seen[0][1], seen)


def stock_c(site, tap):
    """strongSwan's own C library, which swanctl and others are made with: a command, a message that it reads, a refusal."""
    try:
        lib = ctypes.CDLL(LIBVICI)
    except OSError:
        tap.skip("strongSwan's C client", f"no {LIBVICI} on this machine (package strongswan-swanctl)")
        return
    for name in ("vici_connect", "vici_begin", "vici_submit"):
        getattr(lib, name).restype = ctypes.c_void_p
    lib.vici_find_str.restype = ctypes.c_char_p
    lib.vici_init()
    conn = ctypes.c_void_p(lib.vici_connect(f"unix://{site.moon.vici}".encode()))
    tap.check("libvici connects", conn.value)
    said = []
    for command, keys in ((b"version", {}), (b"get-conns", {}), (b"unload-conn", {b"name": b"nobody"})):
        request = ctypes.c_void_p(lib.vici_begin(command))
        for key, value in keys.items():
            lib.vici_add_key_value(request, key, value, len(value))
        answer = ctypes.c_void_p(lib.vici_submit(request, conn))
        said.append([lib.vici_find_str(answer, b"-", key) for key in (b"daemon", b"success", b"errmsg")])
        lib.vici_free_res(answer)
    lib.vici_disconnect(conn)
    lib.vici_deinit()
    tap.equal("libvici reads version", said[0][0], b"pavise-iked")
    tap.equal("... and a refusal with its sentence", (said[2][1], b"nobody" in said[2][2]), (b"no", True))


def test(lab, tap):
    site = Sites(lab)
    for host in (site.moon, site.sun):
        site.xfrmd[host] = host.xfrmd()
    site.iked[site.moon] = site.moon.iked("", "--vici-only")
    site.iked[site.sun] = site.sun.iked(site.config("sun", **OPTIONS))
    configured(site, tap)
    unloaded(site, tap)
    many(site, tap)
    stock_python(site, tap)
    stock_c(site, tap)
    slow(site, tap)
    malicious(site, tap)
    for host in (site.moon, site.sun):
        tap.equal(f"{host.name}: pavise-iked ends with status 0", site.iked[host].stop(), 0)


if __name__ == "__main__":
    main(test, "VICI clients")
