#!/usr/bin/python3
"""knock - opens IKE SAs and never authenticates: knock.py TO FROM COUNT. One IKE_SA_INIT from each of COUNT local
addresses, counted up from FROM (AES-128-GCM, SHA-256, X25519); prints how many were answered with keys."""
import ipaddress
import os
import socket
import struct
import sys
import time

PAYLOAD_SA, PAYLOAD_KE, PAYLOAD_NONCE, SA_INIT = 33, 34, 40, 34


def payload(following, body):
    return struct.pack(">BBH", following, 0, 4 + len(body)) + body


def transform(last, kind, number, attribute=b""):
    return struct.pack(">BBHBBH", 0 if last else 3, 0, 8 + len(attribute), kind, 0, number) + attribute


def question():
    suite = transform(False, 1, 20, struct.pack(">HH", 0x800e, 128)) + transform(False, 2, 5) + transform(True, 4, 31)
    proposal = struct.pack(">BBHBBBB", 0, 0, 8 + len(suite), 1, 1, 0, 3) + suite
    body = payload(PAYLOAD_KE, proposal) + payload(PAYLOAD_NONCE, struct.pack(">HH", 31, 0) + os.urandom(32)) \
        + payload(0, os.urandom(32))
    return os.urandom(8) + bytes(8) + struct.pack(">BBBBII", PAYLOAD_SA, 0x20, SA_INIT, 8, 0, 28 + len(body)) + body


def knock(to, start, n):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((str(start + n), 500))
        s.settimeout(5)
        asked = question()
        for _ in range(6):
            s.sendto(asked, (to, 500))
            try:
                return s.recv(65535)[16] == PAYLOAD_SA  # a cookie or a refusal is something else
            except TimeoutError:
                time.sleep(0.1)
    return False


if __name__ == "__main__":
    first = ipaddress.ip_address(sys.argv[2])
    print(sum(knock(sys.argv[1], first, n) for n in range(int(sys.argv[3]))))
