"""contract_wire - the messages of NETLINK_XFRM as bytes, to be made well or badly.

Every message is built without length, flags and number (contract.Port.send adds them)."""
import socket
import struct

ERROR, DONE = 2, 3
NAMES = ("NEWSA DELSA GETSA NEWPOLICY DELPOLICY GETPOLICY ALLOCSPI ACQUIRE EXPIRE UPDPOLICY UPDSA POLEXPIRE FLUSHSA FLUSHPOLICY"
         " NEWAE GETAE REPORT MIGRATE NEWSADINFO GETSADINFO NEWSPDINFO GETSPDINFO MAPPING SETDEFAULT GETDEFAULT").split()
TYPES = {0x10 + i: name for i, name in enumerate(NAMES)}
KIND = {name: 0x10 + i for i, name in enumerate(NAMES)}
# Where struct xfrm_userpolicy_info stands behind the header.
POLICY_AT = {KIND["NEWPOLICY"]: 0, KIND["UPDPOLICY"]: 0, KIND["POLEXPIRE"]: 0, KIND["DELPOLICY"]: 64 + 4, KIND["ACQUIRE"]: 96}
# Where struct xfrm_usersa_info stands.
SA_AT = {KIND["NEWSA"]: 0, KIND["UPDSA"]: 0, KIND["EXPIRE"]: 0, KIND["DELSA"]: 24 + 4}

INF = 2**64 - 1
ESP, AH, COMP = 50, 51, 108
TRANSPORT, TUNNEL, BEET = 0, 1, 4
A, B = "192.0.2.1", "198.51.100.1"
A6, B6 = "2001:db8:a::1", "2001:db8:b::1"

(ALG_AUTH, ALG_CRYPT, ALG_COMP, ENCAP, TMPL, SA, POLICY, SEC_CTX, LTIME_VAL, REPLAY_VAL, REPLAY_THRESH, ETIMER_THRESH, SRCADDR,
 COADDR, LASTUSED, POLICY_TYPE, MIGRATE, ALG_AEAD, KMADDRESS, ALG_AUTH_TRUNC, MARK, TFCPAD, REPLAY_ESN_VAL, SA_EXTRA_FLAGS, PROTO,
 ADDRESS_FILTER, PAD, OFFLOAD_DEV, SET_MARK, SET_MARK_MASK, IF_ID, MTIMER_THRESH, SA_DIR, NAT_KEEPALIVE, SA_PCPU) = range(1, 36)


def message(kind, body=b"", *attributes, length=0, flags=None):
    """length: what the header claims, if not the truth."""
    if flags is None:
        flags = 0x100 if kind == "NEWAE" else 0  # NLM_F_REPLACE
    kind = KIND.get(kind, kind)
    return struct.pack("=HHI", kind, flags, length) + body + b"\0" * (-len(body) % 4 if attributes else 0) + b"".join(attributes)


def attr(kind, data=b"", claims=None):
    if isinstance(data, int):
        data = struct.pack("=I", data)
    head = struct.pack("=HH", 4 + len(data) if claims is None else claims, kind)
    return head + data + b"\0" * (-len(data) % 4)


def address(text):
    if not text:
        return bytes(16)
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return socket.inet_pton(family, text).ljust(16, b"\0")


def family_of(text):
    return 10 if ":" in text else 2


def selector(src="", dst="", family=0, sbits=0, dbits=0, proto=0, sport=0, smask=0, dport=0, dmask=0, ifindex=0, user=0):
    return address(dst) + address(src) + struct.pack("!HHHH", dport, dmask, sport, smask) \
        + struct.pack("=HBBB3xii", family, dbits, sbits, proto, ifindex, user)


def limits(values=(INF, INF, INF, INF, 0, 0, 0, 0)):
    return struct.pack("=8Q", *values)


def usersa(src=A, dst=B, spi=0x100, proto=ESP, mode=TUNNEL, sel=None, reqid=0, seq=0, family=None, window=0, flags=0,
           lft=limits()):
    return (sel or selector()) + address(dst) + struct.pack("!IBxxx", spi, proto) + address(src) + lft + bytes(32) + bytes(12) \
        + struct.pack("=IIHBBB7x", seq, reqid, family_of(dst) if family is None else family, mode, window, flags)


def usersa_id(dst=B, spi=0x100, proto=ESP, family=None):
    return address(dst) + struct.pack("!I", spi) + struct.pack("=HBx", family_of(dst) if family is None else family, proto)


def userpolicy(sel=None, lft=limits(), priority=0, index=0, way=1, action=0, flags=0, share=0):
    return (sel or NETS) + lft + bytes(32) + struct.pack("=IIBBBB4x", priority, index, way, action, flags, share)


def userpolicy_id(sel=None, index=0, way=1):
    return (sel or NETS) + struct.pack("=IB3x", index, way)


def tmpl(src=A, dst=B, spi=0, proto=ESP, mode=TUNNEL, family=None, reqid=0, share=0, optional=0, algos=0xffffffff):
    return address(dst) + struct.pack("!IBxxx", spi, proto) + struct.pack("=Hxx", family_of(dst) if family is None else family) \
        + address(src) + struct.pack("=IBBBxIII", reqid, mode, share, optional, algos, algos, algos)


def algo(name, key, bits=None):
    return name.encode().ljust(64, b"\0") + struct.pack("=I", len(key) * 8 if bits is None else bits) + key


def algo_icv(name, key, icv, bits=None):
    return name.encode().ljust(64, b"\0") + struct.pack("=II", len(key) * 8 if bits is None else bits, icv) + key


def mark(value, mask=0xffffffff):
    return attr(MARK, struct.pack("=II", value, mask))


def encap(kind=2, sport=4500, dport=4500, oa=""):
    return attr(ENCAP, struct.pack("=H", kind) + struct.pack("!HH", sport, dport) + b"\0\0" + address(oa))


def esn(words=2, window=64, oseq=0, seq=0, oseq_hi=0, seq_hi=0, bitmap=None):
    bitmap = bytes(4 * words) if bitmap is None else bitmap
    return attr(REPLAY_ESN_VAL, struct.pack("=6I", words, oseq, seq, oseq_hi, seq_hi, window) + bitmap)


def replay(oseq=0, seq=0, bitmap=0):
    return attr(REPLAY_VAL, struct.pack("=3I", oseq, seq, bitmap))


def used(octets=0, packets=0, added=0, first_used=0):
    return attr(LTIME_VAL, struct.pack("=4Q", octets, packets, added, first_used))


def policy_type(kind):
    return attr(POLICY_TYPE, struct.pack("=BxHBx", kind, 0, 0))


def ae_id(dst=B, src=A, spi=0x100, proto=ESP, flags=0, reqid=0, family=None):
    return usersa_id(dst, spi, proto, family) + address(src) + struct.pack("=II", flags, reqid)


def migrate(old=(A, B), new=("192.0.2.9", B), proto=ESP, mode=TUNNEL, reqid=0, old_family=None, new_family=None):
    return address(old[1]) + address(old[0]) + address(new[1]) + address(new[0]) \
        + struct.pack("=BBHIHH", proto, mode, 0, reqid, family_of(old[1]) if old_family is None else old_family,
                      family_of(new[1]) if new_family is None else new_family)


def kmaddress(local, remote, family=2):
    return attr(KMADDRESS, address(local) + address(remote) + struct.pack("=IHH", 0, family, 0))


NETS = selector("10.1.0.0", "10.2.0.0", 2, 16, 16)
GCM = attr(ALG_AEAD, algo_icv("rfc4106(gcm(aes))", bytes([0x11]) * 20, 128))
CBC = attr(ALG_CRYPT, algo("cbc(aes)", bytes([0x22]) * 16))
SHA2 = attr(ALG_AUTH_TRUNC, algo_icv("hmac(sha256)", bytes([0x33]) * 32, 128))
SHA1 = attr(ALG_AUTH, algo("hmac(sha1)", bytes([0x44]) * 20))
