"""traffic - TCP between two hosts by iperf3, and captures (pcapng) of what is on a device."""
import json
import os
import signal
import time

from lab import wait_until

MEGABYTES = 16  # enough for a rate, and soon over


def served(server, *options):
    """iperf3 that waits for one client. It keeps its words to itself until its end, unless told not to."""
    process = server.start(["iperf3", "-s", "-1", "--forceflush", *options], "iperf3")
    wait_until(lambda: "listening" in process.output() or not process.alive(), 10)
    return process


def iperf(client, server, address, *options, bind=()):
    """What iperf3 says at its end, {} if it says nothing. bind: the client's address, where it has to be a certain one."""
    listener = served(server, *(("-B", address) if bind else ()))
    done = client.try_run(["iperf3", "-J", "-c", address, *(("-B", bind) if bind else ()), *options], timeout=90)
    listener.stop(signal.SIGKILL)
    try:
        return json.loads(done.stdout)["end"]
    except (KeyError, ValueError):
        return {}


def received(end):
    """Bits a second that arrived."""
    return end.get("sum_received", {}).get("bits_per_second", 0)


def tcp(client, server, address, bind=()):
    """Bits a second of one stream that is as short as will do."""
    return received(iperf(client, server, address, "-n", f"{MEGABYTES}M", bind=bind))


def capture(host, device, name):
    """Keeps in a file what passes the device; what it returns ends that, and returns the file's path."""
    path = os.path.join(host.dir, name)
    if os.path.exists(path):
        os.unlink(path)
    process = host.start(["dumpcap", "-q", "-i", device, "-w", path], "dumpcap")
    wait_until(lambda: "File: " in process.output() or not process.alive(), 30)

    def stop():
        time.sleep(0.3)  # what has just been sent is still to be written
        process.stop(signal.SIGINT)
        return path
    return stop
