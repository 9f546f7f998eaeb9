#!/usr/bin/python3
"""blast - UDP packets as fast as one process can, and a sink that counts them.

    blast.py sink ADDRESS                                  counts until a second has been quiet
    blast.py source FROM TO SIZE SECONDS single|uso        one packet a call, or one train a call
"""
import json
import socket
import struct
import sys
import time

PORT = 5999
UDP_SEGMENT, UDP_GRO = 103, 104
SO_RCVBUFFORCE = 33  # not in this Python
TRAIN = 64  # packets: UDP_MAX_SEGMENTS of kernels before 6.9


def udp_socket(address):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    return s


def sink(address):
    s = udp_socket(address)
    s.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
    s.bind((address, PORT))
    print("ready", flush=True)
    packets, buffer = 0, bytearray(65536)
    s.settimeout(10)
    try:
        while True:
            n, control, _, _ = s.recvmsg_into([buffer], 64)
            size = n
            for level, kind, data in control:
                if (level, kind) == (socket.IPPROTO_UDP, UDP_GRO):
                    size = struct.unpack("i", data[:4])[0]
            packets += (n + size - 1) // size
            if packets < 1000:
                s.settimeout(1)
    except TimeoutError:
        pass
    print(json.dumps({"packets": packets}))


def source(here, there, size, seconds, how):
    s = udp_socket(here)
    s.bind((here, 0))
    s.connect((there, PORT))
    cars = 1
    if how == "uso":
        s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
        cars = min(TRAIN, 65000 // size)
    load, packets, end = bytes(size * cars), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(64):
            try:
                s.send(load)
                packets += cars
            except (BlockingIOError, OSError):
                continue
    print(json.dumps({"packets": packets}))


if __name__ == "__main__":
    if sys.argv[1] == "sink":
        sink(sys.argv[2])
    else:
        source(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]), sys.argv[6])
