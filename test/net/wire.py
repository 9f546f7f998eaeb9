#!/usr/bin/python3
"""wire - what somebody on the path can do: listen to packets and put packets on the wire.

    wire.py listen DEVICE SECONDS [esp|ike|any]   waits for one packet, prints it as hex (from the IP header)
    wire.py send DEVICE MAC HEX...                sends IP packets as they are

The functions change copies of packets as an attacker would. Run inside a host (lab.Host).
"""
import os
import socket
import struct
import sys
import time

ME = os.path.abspath(__file__)

# nft rules for the cafe: moon's packets go no further.
STOP = """table inet cafe {
    chain stop {
        type filter hook forward priority 0
        ip saddr 192.0.2.1 meta l4proto { udp, esp } drop
    }
}"""


# ---- in the test's process ----

def listen(host, device, kind="esp", seconds=5):
    """Starts to listen; call .packet() on what it returns to get the bytes (or None)."""
    process = host.start(["/usr/bin/python3", ME, "listen", device, seconds, kind], "wire")
    process.wait_for("listening")

    class Ear:
        @staticmethod
        def packet():
            process.popen.wait(seconds + 5)
            last = process.output().strip().split("\n")[-1]
            return bytes.fromhex(last) if last != "listening" else None
    return Ear


def send(host, device, mac, *packets):
    host(["/usr/bin/python3", ME, "send", device, mac, *(p.hex() for p in packets)])


def mac_of(host, device):
    return host(["cat", f"/sys/class/net/{device}/address"]).strip()


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def esp_offset(packet):
    """Where the ESP header starts in an IPv4 or IPv6 packet with ESP or ESP in UDP."""
    header, proto = ((packet[0] & 15) * 4, packet[9]) if packet[0] >> 4 == 4 else (40, packet[6])
    return header + 8 if proto == 17 else header


def esp(packet):
    """(SPI, sequence number)"""
    return struct.unpack_from("!II", packet, esp_offset(packet))


def changed(packet, offset, new):
    """A copy with other bytes at an offset behind the start of ESP. A UDP checksum would give the
    change away before ESP sees it, so IPv4 packets get the checksum 0 (none)."""
    at = esp_offset(packet)
    copy = bytearray(packet)
    copy[at + offset:at + offset + len(new)] = new
    if packet[0] >> 4 == 4 and packet[9] == 17:
        copy[at - 2:at] = b"\0\0"
    return bytes(copy)


def flipped(packet, bit):
    """A copy with one bit of the ESP part flipped; negative counts from the end."""
    at = esp_offset(packet)
    bits = 8 * (len(packet) - at)
    bit %= bits
    return changed(packet, bit // 8, bytes([packet[at + bit // 8] ^ 0x80 >> bit % 8]))


def ipv4_udp(src, dst, sport, dport, payload):
    udp = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, socket.inet_aton(src),
                       socket.inet_aton(dst))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp


def ipv4_frag_needed(src, dst, mtu, quoted):
    icmp = struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + quoted[:548]
    icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(icmp), 1, 0, 64, 1, 0, socket.inet_aton(src),
                       socket.inet_aton(dst))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + icmp


def ipv4_icmp_echo(src, dst, ident=7, seq=1):
    icmp = struct.pack("!BBHHH", 8, 0, 0, ident, seq) + b"pavise" * 8
    icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(icmp), 1, 0, 64, 1, 0, socket.inet_aton(src),
                       socket.inet_aton(dst))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + icmp


# ---- in the host ----

def finished(packet):
    """A copy with its UDP checksum: a packet that never leaves this machine may go without."""
    v4 = packet[0] >> 4 == 4
    header, proto = ((packet[0] & 15) * 4, packet[9]) if v4 else (40, packet[6])
    if proto != 17 or packet[header + 6:header + 8] == b"\0\0":
        return packet
    udp = packet[header:header + 6] + b"\0\0" + packet[header + 8:]
    ends = packet[12:20] if v4 else packet[8:40]
    total = checksum(ends + struct.pack("!HH", 17, len(udp)) + udp) or 0xffff
    return packet[:header + 6] + struct.pack("!H", total) + packet[header + 8:]



def wanted(packet, kind):
    header, proto = ((packet[0] & 15) * 4, packet[9]) if packet[0] >> 4 == 4 else (40, packet[6])
    if kind == "any":  # anything but IPv6 neighbours and routers talking about themselves
        return not (packet[0] >> 4 == 6 and proto in (0, 58) and (packet[8] == 0xfe or packet[24] in (0xfe, 0xff)))
    if proto == 50:
        return kind == "esp"
    if proto != 17:
        return False
    ports = struct.unpack_from("!HH", packet, header)
    marker = packet[header + 8:header + 12] == b"\0\0\0\0"
    if kind == "ike":
        return 500 in ports or (4500 in ports and marker)
    return 4500 in ports and not marker and len(packet) > header + 16


def listen_here(device, seconds, kind):
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3)) as ear:
        ear.bind((device, 3))
        print("listening", flush=True)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ear.settimeout(max(0.01, end - time.monotonic()))
            try:
                packet, address = ear.recvfrom(65535)
            except TimeoutError:
                return
            if address[1] in (0x0800, 0x86dd) and address[2] != socket.PACKET_OUTGOING and wanted(packet, kind):
                print(finished(packet).hex(), flush=True)
                return


def send_here(device, mac, packets):
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as mouth:
        for packet in packets:
            kind = 0x0800 if packet[0] >> 4 == 4 else 0x86dd
            mouth.sendto(packet, (device, kind, 0, 0, bytes.fromhex(mac.replace(":", ""))))


if __name__ == "__main__":
    if sys.argv[1] == "listen":
        listen_here(sys.argv[2], float(sys.argv[3]), sys.argv[4])
    else:
        send_here(sys.argv[2], sys.argv[3], [bytes.fromhex(h) for h in sys.argv[4:]])
