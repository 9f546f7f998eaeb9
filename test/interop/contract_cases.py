"""contract_cases - several hundred messages for contract.py: (name, what is there before, message)."""
import random
import struct

from contract_wire import *  # pylint: disable=wildcard-import,unused-wildcard-import

ADD = message("NEWSA", usersa(reqid=7), GCM)
ADD_IN = message("NEWSA", usersa(src=B, dst=A, spi=0x200, reqid=7, window=32), GCM)
ADD_ESN = message("NEWSA", usersa(reqid=7, flags=128), GCM, esn(4, 128))
OUT = message("NEWPOLICY", userpolicy(), attr(TMPL, tmpl(reqid=7)))
IN = message("NEWPOLICY", userpolicy(selector("10.2.0.0", "10.1.0.0", 2, 16, 16), way=0), attr(TMPL, tmpl(B, A, reqid=7)))
ADD_COMP = message("NEWSA", usersa(proto=COMP, reqid=7), attr(ALG_COMP, algo("deflate", b"")))
ADD_COMP6 = message("NEWSA", usersa(A6, B6, proto=COMP, reqid=7), attr(ALG_COMP, algo("deflate", b"")))
LARVAL = message("ALLOCSPI", usersa(spi=0, reqid=5) + struct.pack("=II", 0x1000, 0x1000))


# "BARRIER!" stands in the source address of an IPv6 selector.
BARRIER = message("UPDPOLICY", userpolicy(bytes(16) + b"BARRIER!" + bytes(8) + struct.pack("=8xHBBB3xii", 10, 0, 64, 0, 0, 0), way=2))


def barrier():
    """Its event comes last."""
    return BARRIER


def flushes():
    return [message("FLUSHPOLICY"), message("FLUSHPOLICY", b"", policy_type(1)), message("FLUSHSA", b"\0"),
            message("SETDEFAULT", b"\2\2\2")]


# ---- one well-formed message of each type, and what must be there for it ----
BASE = {
    "NEWSA": ([], usersa(), [GCM]),
    "UPDSA": ([ADD], usersa(), [GCM]),
    "DELSA": ([ADD], usersa_id(), []),
    "GETSA": ([ADD], usersa_id(), []),
    "ALLOCSPI": ([], usersa(spi=0) + struct.pack("=II", 0x1000, 0x1000), []),
    "EXPIRE": ([ADD], usersa() + b"\1" + bytes(7), []),
    "FLUSHSA": ([ADD], b"\0", []),
    "NEWAE": ([ADD], ae_id(flags=2), [replay(5, 0, 0)]),
    "GETAE": ([ADD], ae_id(flags=14), []),
    "GETSADINFO": ([ADD], bytes(4), []),
    "NEWPOLICY": ([], userpolicy(), [attr(TMPL, tmpl())]),
    "UPDPOLICY": ([OUT], userpolicy(), [attr(TMPL, tmpl())]),
    "DELPOLICY": ([OUT], userpolicy_id(), []),
    "GETPOLICY": ([OUT], userpolicy_id(), []),
    "POLEXPIRE": ([OUT], userpolicy() + b"\1" + bytes(7), []),
    "FLUSHPOLICY": ([OUT], b"", []),
    "MIGRATE": ([OUT, ADD], userpolicy_id(), [attr(MIGRATE, migrate(reqid=7))]),
    "NEWSPDINFO": ([], bytes(4), [attr(3, bytes([16, 24]))]),
    "GETSPDINFO": ([OUT], bytes(4), []),
    "SETDEFAULT": ([], b"\1\2\2", []),
    "GETDEFAULT": ([], b"\0\0\0", []),
    "ACQUIRE": ([], usersa_id()[:16] + bytes(8) + bytes(16) + NETS + userpolicy() + bytes(16), [attr(TMPL, tmpl())]),
}
# A good value for each attribute.
GOOD = {
    ALG_AUTH: SHA1[4:], ALG_CRYPT: CBC[4:], ALG_COMP: algo("deflate", b""), ENCAP: encap()[4:], TMPL: tmpl(),
    SA: usersa(), POLICY: userpolicy(), LTIME_VAL: used(1, 2, 3, 4)[4:], REPLAY_VAL: replay(1, 2, 3)[4:],
    REPLAY_THRESH: b"\5\0\0\0", ETIMER_THRESH: b"\6\0\0\0", SRCADDR: address(A), COADDR: address(A), LASTUSED: bytes(8),
    POLICY_TYPE: policy_type(0)[4:], MIGRATE: migrate(), ALG_AEAD: GCM[4:], KMADDRESS: kmaddress(A, B)[4:], ALG_AUTH_TRUNC: SHA2[4:],
    MARK: mark(5, 255)[4:], TFCPAD: b"\x40\0\0\0", REPLAY_ESN_VAL: esn()[4:], SA_EXTRA_FLAGS: b"\1\0\0\0", PROTO: b"\x32",
    ADDRESS_FILTER: address(A) + address(B) + struct.pack("=HBB", 2, 32, 32), SET_MARK: b"\7\0\0\0",
    SET_MARK_MASK: b"\x0f\0\0\0", IF_ID: b"\x09\0\0\0", MTIMER_THRESH: b"\3\0\0\0",
}
WELL_FORMED_ONLY = {ALG_COMP}  # what IPComp says is another test's


def lengths():
    for kind, (before, body, attributes) in BASE.items():
        yield f"{kind}: well-formed", before, message(kind, body, *attributes)
        yield f"{kind}: well-formed, nothing there", [], message(kind, body, *attributes)
        yield f"{kind}: no body", before, message(kind)
        if body:
            yield f"{kind}: body a byte short", before, message(kind, body[:-1])
            yield f"{kind}: body and four bytes of nothing", before, message(kind, body + bytes(-len(body) % 4), *attributes, b"\0" * 4)
        yield f"{kind}: an attribute longer than the message", before, message(kind, body, *attributes, attr(MARK, bytes(8), 60))
        yield f"{kind}: an attribute shorter than its head", before, message(kind, body, *attributes, attr(MARK, bytes(8), 3))
        yield f"{kind}: an unknown attribute", before, message(kind, body, *attributes, attr(200, bytes(8)))
        yield f"{kind}: the pad attribute", before, message(kind, body, *attributes, attr(PAD, b""))


def attributes():
    for kind, (before, body, own) in BASE.items():
        if kind in ("NEWSPDINFO", "GETSPDINFO", "GETSADINFO"):
            continue
        for number, good in GOOD.items():
            if number in WELL_FORMED_ONLY and kind in ("NEWSA", "UPDSA"):
                continue
            had = [a for a in own if struct.unpack("=H", a[2:4])[0] != number]
            name = f"{kind}: attribute {number}"
            yield f"{name}, a byte short", before, message(kind, body, *had, attr(number, good[:-1]))
            yield f"{name}", before, message(kind, body, *had, attr(number, good))
            if kind not in ("NEWSA", "UPDSA", "NEWPOLICY", "MIGRATE", "NEWAE"):
                continue
            yield f"{name}, empty", before, message(kind, body, *had, attr(number, b""))
            yield f"{name}, four bytes too long", before, message(kind, body, *had, attr(number, good + b"\1\1\1\1"))
            yield f"{name}, first short, then good", before, message(kind, body, *had, attr(number, b""), attr(number, good))
            yield f"{name}, twice", before, message(kind, body, *had, attr(number, bytes(len(good))), attr(number, good))


def sa_fields():
    def case(name, *a, attributes=(GCM,), before=(), kind="NEWSA", **kw):
        return f"{kind}: {name}", list(before), message(kind, usersa(*a, **kw), *attributes)
    for family in (0, 1, 3, 10, 255, 65535):
        yield case(f"address family {family}", family=family)
    for proto in (0, 4, 6, 17, 41, 43, 47, AH, 60, COMP, 135, 255):
        yield case(f"protocol {proto}", proto=proto)
    for mode in range(0, 9):
        yield case(f"mode {mode}", mode=mode)
        yield case(f"mode {mode}, an IPv6 selector", mode=mode, sel=selector(A6, B6, 10, 128, 128))
        yield case(f"mode {mode}, any family", mode=mode, flags=32)
        yield case(f"mode {mode}, IPv6, an IPv4 selector", A6, B6, mode=mode, sel=selector(A, B, 2, 32, 32))
    care_of = attr(COADDR, address("2001:db8:c::1"))
    for proto in (43, 60):
        for mode in (TRANSPORT, TUNNEL, 2, 3):
            yield case(f"Mobile IPv6, protocol {proto}, mode {mode}", A6, B6, spi=0, proto=proto, mode=mode, attributes=(care_of,))
            yield case(f"Mobile IPv6, protocol {proto}, mode {mode}, IPv4", spi=0, proto=proto, mode=mode, attributes=(care_of,))
        for name, attributes in (("no care-of address", ()), ("an algorithm", (care_of, GCM)), ("padding", (care_of, attr(TFCPAD, 5))),
                                 ("encapsulation", (care_of, encap()))):
            yield case(f"Mobile IPv6, protocol {proto}, {name}", A6, B6, spi=0, proto=proto, mode=2, attributes=attributes)
        yield case(f"Mobile IPv6, protocol {proto}, with an SPI", A6, B6, proto=proto, mode=2, attributes=(care_of,))
    for window in (0, 1, 31, 32, 33, 64, 255):
        yield case(f"old replay window {window}", window=window)
    for bit in range(8):
        yield case(f"flag {1 << bit}", flags=1 << bit)
        yield case(f"extra flag {1 << bit}", attributes=(GCM, attr(SA_EXTRA_FLAGS, 1 << bit)))
    for spi in (0, 1, 255, 256, 2**32 - 1):
        yield case(f"SPI {spi:#x}", spi=spi)
    for family, source, destination in ((2, 33, 0), (2, 0, 33), (2, 32, 32), (10, 129, 0), (10, 0, 129), (10, 128, 128), (0, 33, 0),
                                        (0, 200, 0), (1, 0, 0), (99, 0, 0)):
        yield case(f"selector of family {family} /{source} /{destination}", sel=selector(family=family, sbits=source, dbits=destination))
        yield case(f"IPv6, selector of family {family} /{source} /{destination}", A6, B6,
                   sel=selector(family=family, sbits=source, dbits=destination))
    yield case("selector with everything", sel=selector("10.1.0.0", "10.2.0.0", 2, 16, 17, 6, 80, 0xff00, 443, 0xffff, 3, 1000))
    yield case("selector with host bits", sel=selector("10.1.2.3", "10.2.3.4", 2, 16, 17))
    for i in range(8):
        values = [INF] * 4 + [0] * 4
        values[i] = 12345
        yield case(f"limit {i}", lft=limits(values))
    yield case("hard before soft", lft=limits((10, 5, 10, 5, 100, 50, 100, 50)))
    yield case("limits of nothing", lft=limits((0, 0, 0, 0, 0, 0, 0, 0)))
    yield case("no destination", A, "0.0.0.0")
    yield case("no source", "0.0.0.0", B)
    yield case("a group's address", A, "224.0.0.1")
    yield case("families mixed in addresses", A6, B, family=2)


def sa_attributes():
    def case(name, *attributes, before=(), kind="NEWSA", **kw):
        return f"{kind}: {name}", list(before), message(kind, usersa(**kw), *attributes)
    yield case("no algorithm")
    for name, given in (("aead and enc", (GCM, CBC)), ("aead and auth", (GCM, SHA1)), ("aead and auth-trunc", (GCM, SHA2)),
                        ("enc alone", (CBC,)), ("auth alone", (SHA2,)), ("both kinds of auth", (CBC, SHA1, SHA2)), ("enc and auth", (CBC, SHA2))):
        yield case(name, *given)
        yield case(f"AH, {name}", *given, proto=AH)
    yield case("AH, auth", SHA1, proto=AH)
    yield case("AH, TFC padding", SHA1, attr(TFCPAD, 5), proto=AH)
    for mode in (TRANSPORT, TUNNEL, BEET):
        yield case(f"TFC padding in mode {mode}", GCM, attr(TFCPAD, 100), mode=mode)
    for bits in (0, 1, 8, 152, 159, 160, 161, 168, 1024, 1032, 2**16, 2**31, 2**32 - 1):
        yield case(f"aead, {bits} bits in 20 bytes", attr(ALG_AEAD, algo_icv("rfc4106(gcm(aes))", bytes(20), 128, bits)))
        yield case(f"enc, {bits} bits in 20 bytes", attr(ALG_CRYPT, algo("cbc(aes)", bytes(20), bits)), SHA2)
        yield case(f"auth, {bits} bits in 20 bytes", CBC, attr(ALG_AUTH, algo("hmac(sha1)", bytes(20), bits)))
        yield case(f"auth-trunc, {bits} bits in 20 bytes", CBC, attr(ALG_AUTH_TRUNC, algo_icv("hmac(sha1)", bytes(20), 96, bits)))
    for icv in (0, 1, 8, 64, 96, 100, 104, 112, 120, 128, 136, 160, 256, 2**16, 2**32 - 8):
        yield case(f"aead with an ICV of {icv} bits", attr(ALG_AEAD, algo_icv("rfc4106(gcm(aes))", bytes(20), icv)))
        yield case(f"auth-trunc of {icv} bits", CBC, attr(ALG_AUTH_TRUNC, algo_icv("hmac(sha1)", bytes(20), icv)))
    for name in ("", "rot13", "aes", "gcm(aes)", "rfc4106(gcm(aes))x", "RFC4106(GCM(AES))", "x" * 64, "cbc(aes)"):
        yield case(f"aead called '{name[:20]}'", attr(ALG_AEAD, algo_icv(name, bytes(20), 128)))
        yield case(f"enc called '{name[:20]}'", attr(ALG_CRYPT, algo(name, bytes(16))), SHA2)
        yield case(f"auth called '{name[:20]}'", CBC, attr(ALG_AUTH, algo(name, bytes(16))))
        yield case(f"auth-trunc called '{name[:20]}'", CBC, attr(ALG_AUTH_TRUNC, algo_icv(name, bytes(16), 96)))
    for kind in (0, 1, 2, 3, 4, 5, 7, 255):
        yield case(f"encapsulation {kind}", GCM, encap(kind))
        yield case(f"IPv6, encapsulation {kind}", GCM, encap(kind), src=A6, dst=B6)
    for sport, dport in ((0, 0), (0, 4500), (4500, 0), (500, 500), (65535, 1)):
        yield case(f"encapsulation from port {sport} to {dport}", GCM, encap(2, sport, dport))
    yield case("encapsulation with an original address", GCM, encap(oa="10.9.9.9"))
    yield case("AH, encapsulation", SHA1, encap(), proto=AH)
    yield case("transport mode, encapsulation", GCM, encap(), mode=TRANSPORT)
    for words, window in ((0, 0), (1, 0), (1, 1), (1, 32), (1, 33), (2, 33), (2, 64), (3, 70), (4, 128), (128, 4096), (128, 4000), (129, 4096),
                          (129, 4128), (256, 8192), (2**26, 5), (2**30, 32), (2**32 - 1, 2**32 - 1)):
        bitmap = bytes(4 * words) if words <= 256 else bytes(8)
        yield case(f"window {window} in {words} words", GCM, esn(words, window, bitmap=bitmap))
        yield case(f"ESN, window {window} in {words} words", GCM, esn(words, window, bitmap=bitmap), flags=128)
        yield case(f"ESN, window {window}, {words} words left out", GCM, esn(words, window, bitmap=b""), flags=128)
    yield case("ESN, part of a bitmap", GCM, esn(4, 128, bitmap=bytes(8)), flags=128)
    yield case("ESN, everything set", GCM, esn(2, 64, 1, 2, 3, 4, b"\xff" * 8), flags=128)
    yield case("ESN without a window", GCM, flags=128)
    yield case("AH, ESN", SHA2, esn(), proto=AH, flags=128)
    yield case("ESN and the old window", GCM, esn(), flags=128, window=32)
    yield case("window and the old replay state", GCM, esn(), replay(1, 2, 3))
    yield case("replay state", GCM, replay(1, 2, 3), window=32)
    yield case("replay state without a window", GCM, replay(1, 2, 3))
    yield case("replay thresholds", GCM, attr(REPLAY_THRESH, 9), attr(ETIMER_THRESH, 8))
    yield case("lifetime so far", GCM, used(1000, 10, 1, 2))
    for value, mask in ((0, 0), (0, 255), (5, 0), (5, 255), (0x1ff, 255), (2**32 - 1, 2**32 - 1)):
        yield case(f"mark {value:#x}/{mask:#x}", GCM, mark(value, mask))
        yield case(f"output mark {value:#x}/{mask:#x}", GCM, attr(SET_MARK, value), attr(SET_MARK_MASK, mask))
    yield case("output mark without a mask", GCM, attr(SET_MARK, 7))
    yield case("a mask of an output mark alone", GCM, attr(SET_MARK_MASK, 7))
    for if_id in (0, 1, 2**32 - 1):
        yield case(f"interface {if_id}", GCM, attr(IF_ID, if_id))
    for length, inner in ((0, 0), (8, 0), (8, 8), (12, 4), (100, 4)):
        yield case(f"security context of {length} with {inner}", GCM,
                   attr(SEC_CTX, struct.pack("=HHBBH", length, 1, 1, 1, inner) + bytes(inner)))
    yield case("mapping timer without encapsulation", GCM, attr(MTIMER_THRESH, 3))
    yield case("mapping timer", GCM, encap(), attr(MTIMER_THRESH, 3))
    yield case("mapping timer, IPv6", GCM, encap(), attr(MTIMER_THRESH, 3), src=A6, dst=B6)
    for flags in (0, 1, 2, 3, 4, 255):
        yield case(f"offload {flags} to no device", GCM, attr(OFFLOAD_DEV, struct.pack("=iBxxx", 0, flags)))
        yield case(f"offload {flags} to lo", GCM, attr(OFFLOAD_DEV, struct.pack("=iBxxx", 1, flags)))
    yield case("a good SA twice", GCM, before=[ADD])
    yield case("the same SPI, another mark", GCM, mark(1), before=[ADD])
    yield case("the same SPI, other algorithms", CBC, SHA2, before=[ADD])
    yield case("for one that waits", GCM, spi=0x1000, reqid=5, before=[LARVAL])
    yield case("of the number of one that waits", GCM, spi=0x1001, seq=0x77, before=[
        message("ALLOCSPI", usersa(spi=0, reqid=5, seq=0x77) + struct.pack("=II", 0x1000, 0x1000))])


def updates():
    def case(name, *attributes, before=(ADD,), **kw):
        return f"UPDSA: {name}", list(before), message("UPDSA", usersa(**kw), *attributes)
    yield case("nothing there", GCM, before=())
    yield case("of one that waits", GCM, before=[LARVAL], spi=0x1000, reqid=5)
    yield case("of one that waits, other addresses", GCM, before=[LARVAL], spi=0x1000, reqid=5, src="192.0.2.77")
    yield case("other keys", attr(ALG_AEAD, algo_icv("rfc4106(gcm(aes))", bytes(20), 128)))
    yield case("other algorithms", CBC, SHA2)
    yield case("limits", GCM, lft=limits((1, 2, 3, 4, 5, 6, 7, 8)), reqid=7)
    yield case("another selector", GCM, sel=NETS, reqid=7)
    yield case("another reqid", GCM, reqid=8)
    yield case("another source", GCM, src="192.0.2.77", reqid=7)
    yield case("another mode", GCM, mode=TRANSPORT, reqid=7)
    yield case("another window", GCM, window=32, reqid=7)
    yield case("ESN for none", GCM, esn(), flags=128, reqid=7)
    yield case("encapsulation for none", GCM, encap(), reqid=7)
    yield case("flags", GCM, flags=2, reqid=7)
    yield case("a mark", GCM, mark(5), reqid=7)
    yield case("an interface", GCM, attr(IF_ID, 5), reqid=7)
    yield case("an output mark", GCM, attr(SET_MARK, 5), reqid=7)
    yield case("replay state", GCM, replay(5, 6, 7), reqid=7)
    yield case("lifetime so far", GCM, used(5, 6, 7, 8), reqid=7)
    yield case("other ports", GCM, encap(2, 4500, 4501), before=[message("NEWSA", usersa(), GCM, encap())])
    yield case("another encapsulation", GCM, encap(7, 4500, 4501), before=[message("NEWSA", usersa(), GCM, encap())])
    yield case("no more encapsulation", GCM, before=[message("NEWSA", usersa(), GCM, encap())])
    yield case("TFC padding", GCM, attr(TFCPAD, 99), reqid=7)
    yield case("extra flags", GCM, attr(SA_EXTRA_FLAGS, 1), reqid=7)
    yield case("replay thresholds", GCM, attr(REPLAY_THRESH, 9), reqid=7)


def identities():
    for kind in ("GETSA", "DELSA"):
        for name, body in (("another destination", usersa_id(A)), ("another SPI", usersa_id(spi=0x101)), ("AH", usersa_id(proto=AH)),
                           ("protocol 0", usersa_id(proto=0)), ("protocol 255", usersa_id(proto=255)), ("protocol 43", usersa_id(proto=43)),
                           ("protocol 6", usersa_id(proto=6)), ("IPComp", usersa_id(proto=COMP)), ("no family", usersa_id(family=0)),
                           ("IPv6", usersa_id(family=10)), ("family 99", usersa_id(family=99)), ("SPI 0", usersa_id(spi=0))):
            yield f"{kind}: {name}", [ADD], message(kind, body)
        yield f"{kind}: its source", [ADD], message(kind, usersa_id(), attr(SRCADDR, address(A)))
        yield f"{kind}: another source", [ADD], message(kind, usersa_id(), attr(SRCADDR, address(B)))
        yield f"{kind}: protocol 43 and a source", [ADD], message(kind, usersa_id(proto=43), attr(SRCADDR, address(A)))
        yield f"{kind}: protocol 99 and a source", [ADD], message(kind, usersa_id(proto=99), attr(SRCADDR, address(A)))
        for value, mask in ((0, 0), (5, 255), (5, 2**32 - 1), (0x105, 2**32 - 1), (4, 255), (0x105, 255)):
            marked = [message("NEWSA", usersa(), GCM, mark(5, 255))]
            yield f"{kind}: mark {value:#x}/{mask:#x}", marked, message(kind, usersa_id(), mark(value, mask))
        for name, body, source in (("", usersa_id(proto=4, spi=0), A), (", with its number", usersa_id(proto=4, spi=0xc0000201), A),
                                   (", from elsewhere", usersa_id(proto=4), B), (", to elsewhere", usersa_id(A, proto=4), A),
                                   (", as IPv6", usersa_id(proto=41), A), (", protocol 0", usersa_id(proto=0), A)):
            yield f"{kind}: the tunnel beside compression{name}", [ADD_COMP], message(kind, body, attr(SRCADDR, address(source)))
        yield f"{kind}: the tunnel beside compression, without its source", [ADD_COMP], message(kind, usersa_id(proto=4, spi=0xc0000201))
        yield f"{kind}: the tunnel beside compression, both families", [ADD_COMP, ADD_COMP6], message(
            kind, usersa_id(B6, proto=41), attr(SRCADDR, address(A6)))
        yield f"{kind}: one that waits", [LARVAL], message(kind, usersa_id(spi=0x1000))
    for proto in (0, 1, 43, ESP, AH, 60, COMP, 99, 255):
        yield f"FLUSHSA: protocol {proto}", [ADD, ADD_IN], message("FLUSHSA", bytes([proto]))
        yield f"FLUSHSA: protocol {proto}, one waits", [LARVAL], message("FLUSHSA", bytes([proto]))
    yield "FLUSHSA: nothing there", [], message("FLUSHSA", b"\0")


def spis():
    def case(name, low=0x1000, high=0x1000, *attributes, before=(), **kw):
        kw.setdefault("spi", 0)
        return f"ALLOCSPI: {name}", list(before), message("ALLOCSPI", usersa(**kw) + struct.pack("=II", low, high), *attributes)
    for low, high in ((0, 0), (1, 1), (255, 255), (256, 256), (5, 4), (0xffffffff, 0xffffffff), (0x10000, 0x10000)):
        yield case(f"{low:#x} to {high:#x}", low, high)
        yield case(f"AH, {low:#x} to {high:#x}", low, high, proto=AH)
        yield case(f"IPComp, {low:#x} to {high:#x}", low, high, proto=COMP)
    for proto in (0, 6, 43, 60, 99, 255):
        yield case(f"protocol {proto}", proto=proto)
    for family in (0, 1, 99):
        yield case(f"family {family}", family=family)
    for mode in (0, 1, 2, 3, 4, 5, 99):
        yield case(f"mode {mode}", mode=mode)
    yield case("IPv6", src=A6, dst=B6)
    yield case("taken", before=[LARVAL])
    yield case("taken, another reqid", before=[LARVAL], reqid=6)
    yield case("taken by one with keys", before=[message("NEWSA", usersa(spi=0x1000), GCM)])
    yield case("again for the same", 0x1001, 0x1001, before=[LARVAL], reqid=5)
    yield case("a number", seq=0x77)
    yield case("the number of one that waits", 0x1001, 0x1001, before=[
        message("ALLOCSPI", usersa(spi=0, seq=0x77) + struct.pack("=II", 0x1000, 0x1000))], seq=0x77)
    yield case("a mark", 0x1000, 0x1000, mark(5, 255))
    yield case("an interface", 0x1000, 0x1000, attr(IF_ID, 5))
    yield case("a selector", sel=NETS, flags=2, reqid=3, window=32)


def replay_states():
    for flags in (0, 1, 2, 4, 8, 16, 64, 128, 255):
        yield f"GETAE: flags {flags}", [ADD_IN, ADD], message("GETAE", ae_id(flags=flags))
    ends = {"another SPI": ae_id(spi=5), "another reqid": ae_id(reqid=99), "another source": ae_id(src=B), "AH": ae_id(proto=AH),
            "protocol 255": ae_id(proto=255), "no family": ae_id(family=0)}
    for name, body in ends.items():
        yield f"GETAE: {name}", [ADD], message("GETAE", body)
        yield f"NEWAE: {name}", [ADD], message("NEWAE", body, replay(5, 6, 7))
    full = message("NEWSA", usersa(flags=128), GCM, esn(4, 128, 1, 2, 3, 4, b"\x55" * 16), mark(5, 255), attr(IF_ID, 9),
                   used(5, 6, 7, 8), attr(REPLAY_THRESH, 77), attr(ETIMER_THRESH, 88))
    yield "GETAE: with everything", [full], message("GETAE", ae_id(flags=14), mark(5, 255))
    yield "GETAE: one that waits", [LARVAL], message("GETAE", ae_id(spi=0x1000))
    yield "NEWAE: one that waits", [LARVAL], message("NEWAE", ae_id(spi=0x1000, flags=2), replay(5, 6, 7))
    yield "NEWAE: nothing", [ADD], message("NEWAE", ae_id())
    for flags in (0, 1, 2, 4, 8, 16, 64, 128, 255):
        yield f"NEWAE: flags {flags}", [ADD], message("NEWAE", ae_id(flags=flags), replay(5, 6, 7))
    for name, given in (("lifetime", (used(5, 6, 7, 8),)), ("thresholds", (attr(REPLAY_THRESH, 5), attr(ETIMER_THRESH, 6))),
                        ("a threshold", (attr(REPLAY_THRESH, 5),)), ("a timer", (attr(ETIMER_THRESH, 6),)),
                        ("all", (replay(5, 6, 7), used(5, 6, 7, 8), attr(REPLAY_THRESH, 5), attr(ETIMER_THRESH, 6))),
                        ("the other kind", (esn(4, 128, 5, 6),))):
        yield f"NEWAE: {name}", [ADD], message("NEWAE", ae_id(flags=2), *given)
    for name, given in (("all", esn(4, 128, 5, 6, 7, 8, b"\xaa" * 16)), ("fewer words", esn(2, 64, 5, 6)), ("more words", esn(5, 128, 5, 6)),
                        ("another window", esn(4, 100, 5, 6)), ("a window too large", esn(4, 129, 5, 6)), ("no bitmap", esn(4, 128, 5, 6, bitmap=b"")),
                        ("the old kind", replay(5, 6, 7))):
        yield f"NEWAE: ESN, {name}", [ADD_ESN], message("NEWAE", ae_id(flags=2), given)
    yield "NEWAE: without NLM_F_REPLACE", [ADD], message("NEWAE", ae_id(flags=2), replay(5, 6, 7), flags=0)
    yield "NEWAE: answer by GETAE", [ADD, message("NEWAE", ae_id(flags=2), replay(5, 6, 7), used(5, 6, 7, 8), attr(REPLAY_THRESH, 5),
                                                  attr(ETIMER_THRESH, 6))], message("GETAE", ae_id(flags=14))


def expiries():
    for hard in (0, 1, 2, 255):
        yield f"EXPIRE: hard {hard}", [ADD], message("EXPIRE", usersa() + bytes([hard]) + bytes(7))
        yield f"POLEXPIRE: hard {hard}", [OUT], message("POLEXPIRE", userpolicy() + bytes([hard]) + bytes(7))
    yield "EXPIRE: one that waits", [LARVAL], message("EXPIRE", usersa(spi=0x1000) + b"\1" + bytes(7))
    yield "EXPIRE: another SPI", [ADD], message("EXPIRE", usersa(spi=5) + b"\1" + bytes(7))
    yield "EXPIRE: a mark", [message("NEWSA", usersa(), GCM, mark(5), attr(IF_ID, 3))], message("EXPIRE", usersa() + b"\1" + bytes(7), mark(5))
    yield "POLEXPIRE: by index", [message("NEWPOLICY", userpolicy(index=801), attr(TMPL, tmpl()))], \
        message("POLEXPIRE", userpolicy(index=801) + b"\1" + bytes(7))
    yield "POLEXPIRE: direction 3", [OUT], message("POLEXPIRE", userpolicy(way=3) + b"\1" + bytes(7))


def policy_fields():
    def case(name, *attributes, before=(), kind="NEWPOLICY", **kw):
        return f"{kind}: {name}", list(before), message(kind, userpolicy(**kw), *attributes)
    for way in (0, 1, 2, 3, 4, 5, 255):
        yield case(f"direction {way}", attr(TMPL, tmpl()), way=way)
        yield f"GETPOLICY: direction {way}", [OUT], message("GETPOLICY", userpolicy_id(way=way))
        yield f"DELPOLICY: direction {way}", [OUT], message("DELPOLICY", userpolicy_id(way=way))
    for action in (0, 1, 2, 255):
        yield case(f"action {action}", attr(TMPL, tmpl()), action=action)
        yield case(f"action {action}, no template", action=action)
    for share in (0, 1, 2, 3, 4, 255):
        yield case(f"share {share}", share=share)
    for bit in range(8):
        yield case(f"flag {1 << bit}", flags=1 << bit)
    for index in (1, 2, 8, 9, 16, 17, 801, 2**32 - 7, 2**32 - 1):
        yield case(f"index {index}", index=index)
    for family, source, destination in ((2, 33, 0), (2, 0, 33), (2, 32, 32), (10, 129, 0), (10, 0, 129), (10, 128, 128), (0, 0, 0),
                                        (1, 0, 0), (99, 0, 0)):
        yield case(f"selector of family {family} /{source} /{destination}", sel=selector(family=family, sbits=source, dbits=destination))
    yield case("selector with everything", sel=selector("10.1.0.0", "10.2.0.0", 2, 16, 17, 6, 80, 0xff00, 443, 0xffff, 3, 1000))
    yield case("limits", lft=limits((1, 2, 3, 4, 5000, 6000, 7000, 8000)))
    yield case("no limits", lft=limits((0,) * 8))
    yield case("everything", attr(TMPL, tmpl()), mark(5, 255), attr(IF_ID, 4), priority=77, index=809, flags=3)
    for kind in (0, 1, 2, 3, 255):
        yield case(f"type {kind}", policy_type(kind))
        for verb in ("GETPOLICY", "DELPOLICY"):
            yield f"{verb}: type {kind}", [message("NEWPOLICY", userpolicy(), policy_type(1)), OUT], message(verb, userpolicy_id(), policy_type(kind))
        yield f"FLUSHPOLICY: type {kind}", [message("NEWPOLICY", userpolicy(), policy_type(1)), OUT], message("FLUSHPOLICY", b"", policy_type(kind))
        yield f"FLUSHPOLICY: type {kind}, nothing there", [], message("FLUSHPOLICY", b"", policy_type(kind))
    yield case("both types", policy_type(1), before=[OUT])
    yield case("twice", before=[OUT])
    yield case("another mark", mark(5), before=[OUT])
    yield case("another interface", attr(IF_ID, 5), before=[OUT])
    yield case("another priority", priority=9, before=[OUT])
    yield case("an index that is taken", index=801, before=[message("NEWPOLICY", userpolicy(selector(family=2), index=801))])
    yield case("nothing there", kind="UPDPOLICY")
    yield case("another action", kind="UPDPOLICY", action=1, before=[OUT])
    yield case("another priority", kind="UPDPOLICY", priority=9, before=[OUT])
    yield case("another index", kind="UPDPOLICY", index=809, before=[OUT])
    marked = [message("NEWPOLICY", userpolicy(index=817), mark(5, 255), attr(IF_ID, 3))]
    for verb in ("GETPOLICY", "DELPOLICY"):
        for value, mask in ((5, 255), (5, 2**32 - 1), (0x105, 255), (0, 0)):
            yield f"{verb}: mark {value:#x}/{mask:#x}", marked, message(verb, userpolicy_id(), mark(value, mask), attr(IF_ID, 3))
            yield f"{verb}: index and mark {value:#x}/{mask:#x}", marked, \
                message(verb, userpolicy_id(index=817), mark(value, mask), attr(IF_ID, 3))
        yield f"{verb}: another interface", marked, message(verb, userpolicy_id(), mark(5, 255), attr(IF_ID, 4))
        yield f"{verb}: index, no interface", marked, message(verb, userpolicy_id(index=817), mark(5, 255))
        yield f"{verb}: index of another direction", marked, message(verb, userpolicy_id(index=817, way=0), mark(5, 255), attr(IF_ID, 3))
        yield f"{verb}: a wrong index", marked, message(verb, userpolicy_id(index=825), mark(5, 255), attr(IF_ID, 3))
        yield f"{verb}: a selector without family", [OUT], message(verb, userpolicy_id(selector()))
        yield f"{verb}: a selector with wrong prefixes", [OUT], message(verb, userpolicy_id(selector(family=2, sbits=77)))


def templates():
    def case(name, *given, way=1, sel=NETS):
        return f"NEWPOLICY: {name}", [], message("NEWPOLICY", userpolicy(sel, way=way), attr(TMPL, b"".join(given)))
    for mode in range(0, 8):
        yield case(f"template of mode {mode}", tmpl(mode=mode))
        yield case(f"template of mode {mode}, IPv6", tmpl(A6, B6, mode=mode))
        for way in (0, 1, 2):
            yield case(f"optional template of mode {mode}, direction {way}", tmpl(mode=mode, optional=1), way=way)
    for proto in (0, 4, 6, 43, ESP, AH, 60, COMP, 135, 254, 255):
        yield case(f"template of protocol {proto}", tmpl(proto=proto))
    for family in (0, 1, 3, 99, 65535):
        yield case(f"template of family {family}", tmpl(family=family))
    for count in (2, 3, 6, 7, 20):
        yield case(f"{count} templates", *[tmpl(mode=TRANSPORT)] * count)
    yield case("a tunnel into IPv6 and transport in IPv4", tmpl(A6, B6), tmpl(mode=TRANSPORT))
    yield case("a tunnel into IPv6 and transport in it", tmpl(A6, B6), tmpl(A6, B6, mode=TRANSPORT))
    yield case("part of a template", tmpl()[:60])
    yield case("a template and a half", tmpl(), tmpl()[:30])
    yield case("share 9", tmpl(share=9))
    yield case("algorithms named", tmpl(algos=5))
    yield case("optional 77", tmpl(mode=TRANSPORT, optional=77))


def information():
    for number, most in ((3, 32), (4, 128)):
        for left, right in ((0, 0), (most, most), (most + 1, 0), (0, most + 1), (255, 255)):
            yield f"NEWSPDINFO: thresholds {number}: {left} {right}", [], message("NEWSPDINFO", bytes(4), attr(number, bytes([left, right])))
        yield f"NEWSPDINFO: thresholds {number}: short", [], message("NEWSPDINFO", bytes(4), attr(number, b"\1"))
        yield f"NEWSPDINFO: thresholds {number}: empty", [], message("NEWSPDINFO", bytes(4), attr(number, b""))
        before = [message("NEWSPDINFO", bytes(4), attr(number, bytes([7, 9])))]
        yield f"GETSPDINFO: thresholds {number}", before, message("GETSPDINFO", b"\xff" * 4)
        yield f"GETSPDINFO: thresholds {number} again", [message("NEWSPDINFO", bytes(4), attr(number, bytes([most, most])))], \
            message("GETSPDINFO", b"\xff" * 4)
    for number in (1, 2, 5, 6):
        yield f"NEWSPDINFO: attribute {number}", [], message("NEWSPDINFO", bytes(4), attr(number, bytes(24)))
    for kind in (0x0f, 0x20, 0x22, 0x26, 0x29, 0x2a, 0x100):
        yield f"message type {kind:#x}", [], message(kind, bytes(100))
    for values in ((0, 0, 0), (1, 1, 1), (2, 2, 2), (1, 2, 1), (3, 1, 1), (0, 0, 1), (255, 255, 255)):
        yield f"SETDEFAULT: {values}", [], message("SETDEFAULT", bytes(values))
        yield f"GETDEFAULT: after {values}", [message("SETDEFAULT", bytes(values))], message("GETDEFAULT", bytes(3))


def moves():
    def case(name, body, *attributes, before=(OUT, IN, ADD, ADD_IN)):
        return f"MIGRATE: {name}", list(before), message("MIGRATE", body, *attributes)
    both = migrate((A, B), ("192.0.2.9", B), reqid=7) + migrate((B, A), (B, "192.0.2.9"), reqid=7)
    yield case("out", userpolicy_id(), attr(MIGRATE, migrate(reqid=7)))
    yield case("both ways", userpolicy_id(), attr(MIGRATE, both))
    yield case("in", userpolicy_id(selector("10.2.0.0", "10.1.0.0", 2, 16, 16), way=0), attr(MIGRATE, migrate((B, A), (B, "192.0.2.9"), reqid=7)))
    yield case("nothing to say", userpolicy_id())
    yield case("no such policy", userpolicy_id(selector(family=2)), attr(MIGRATE, migrate(reqid=7)))
    yield case("no such policy, nothing there", userpolicy_id(selector(family=2)), attr(MIGRATE, migrate(reqid=7)), before=())
    yield case("no such template", userpolicy_id(), attr(MIGRATE, migrate(("192.0.2.5", B), reqid=7)))
    yield case("another reqid", userpolicy_id(), attr(MIGRATE, migrate(reqid=9)))
    yield case("AH", userpolicy_id(), attr(MIGRATE, migrate(proto=AH, reqid=7)))
    yield case("any protocol", userpolicy_id(), attr(MIGRATE, migrate(proto=255, reqid=7)))
    yield case("another mode", userpolicy_id(), attr(MIGRATE, migrate(mode=TRANSPORT, reqid=7)))
    yield case("the same twice", userpolicy_id(), attr(MIGRATE, migrate(reqid=7) * 2))
    yield case("seven", userpolicy_id(), attr(MIGRATE, migrate(reqid=7) * 7))
    yield case("to nowhere", userpolicy_id(), attr(MIGRATE, migrate(new=("0.0.0.0", B), reqid=7)))
    yield case("from nowhere", userpolicy_id(), attr(MIGRATE, migrate(old=("0.0.0.0", B), reqid=7)))
    yield case("to where it is", userpolicy_id(), attr(MIGRATE, migrate(new=(A, B), reqid=7)))
    yield case("to another destination", userpolicy_id(), attr(MIGRATE, migrate(new=(A, "198.51.100.9"), reqid=7)))
    yield case("to IPv6", userpolicy_id(), attr(MIGRATE, migrate(new=(A6, B6), reqid=7)))
    yield case("families unlike", userpolicy_id(), attr(MIGRATE, migrate(reqid=7, new_family=10)))
    yield case("family 0", userpolicy_id(), attr(MIGRATE, migrate(reqid=7, old_family=0, new_family=0)))
    yield case("family 99", userpolicy_id(), attr(MIGRATE, migrate(reqid=7, new_family=99)))
    yield case("a key manager's address", userpolicy_id(), attr(MIGRATE, migrate(reqid=7)), kmaddress("192.0.2.9", B))
    yield case("encapsulation", userpolicy_id(), attr(MIGRATE, migrate(reqid=7)), encap(2, 4500, 4501))
    yield case("type sub", userpolicy_id(), attr(MIGRATE, migrate(reqid=7)), policy_type(1))
    yield case("type 9", userpolicy_id(), attr(MIGRATE, migrate(reqid=7)), policy_type(9))
    yield case("interface", userpolicy_id(), attr(MIGRATE, migrate(reqid=7)), attr(IF_ID, 5))
    yield case("direction 7", userpolicy_id(way=7), attr(MIGRATE, migrate(reqid=7)))
    yield case("by index", userpolicy_id(index=801), attr(MIGRATE, migrate(reqid=7)))
    yield case("no SA", userpolicy_id(), attr(MIGRATE, migrate(reqid=7)), before=[OUT])
    yield case("half of one", userpolicy_id(), attr(MIGRATE, migrate(reqid=7)[:40]))
    yield case("one and a half", userpolicy_id(), attr(MIGRATE, migrate(reqid=7) + migrate()[:40]))
    full = message("NEWSA", usersa(reqid=7, flags=128, seq=9, lft=limits((10**6, 2 * 10**6, 10**4, 2 * 10**4, 0, 0, 0, 0))), CBC, SHA2,
                   esn(4, 128, 1, 2, 3, 4, b"\x55" * 16), attr(IF_ID, 0), used(5, 6, 7, 8), encap(), attr(SET_MARK, 3),
                   attr(SA_EXTRA_FLAGS, 1), attr(TFCPAD, 90))
    yield case("an SA with everything", userpolicy_id(), attr(MIGRATE, migrate(reqid=7)), before=[OUT, full])
    yield case("an SA with everything, encapsulation", userpolicy_id(), attr(MIGRATE, migrate(reqid=7)), encap(2, 4500, 4501), before=[OUT, full])


def noise(count=200):
    """Base messages with a few bytes changed, the same ones each time. Bytes that are zero stay: most are behind an IPv4
    address or padding, which a kernel keeps and compares, and we do not."""
    rng = random.Random("contract")
    kinds = [k for k in BASE if k not in ("ALLOCSPI", "ACQUIRE", "GETSADINFO")]
    for i in range(count):
        kind = rng.choice(kinds)
        before, body, own = BASE[kind]
        raw = bytearray(message(kind, body, *own))
        places = [at for at in range(8, len(raw)) if raw[at]]
        for _ in range(rng.randint(1, 3)):
            if places:
                raw[rng.choice(places)] = rng.choice((0, 1, 2, 4, 10, 16, 0x7f, 0x80, 0xff))
        yield f"{kind}: noise {i}", before, bytes(raw)


def collect():
    seen = set()
    for group in (lengths, attributes, sa_fields, sa_attributes, updates, identities, spis, replay_states, expiries, policy_fields, templates,
                  information, moves, noise):
        for name, before, request in group():
            if name not in seen:
                seen.add(name)
                yield name, before, request


CASES = list(collect())


def young():
    """Attributes that a 6.1 kernel does not know. A newer one without ESP gets as far as saying that (errno 93)."""
    def case(name, *attributes, kind="NEWSA", before=(), **kw):
        return f"{kind}: {name}", list(before), message(kind, usersa(**kw), GCM, *attributes)
    for number, size in ((SA_DIR, 1), (NAT_KEEPALIVE, 4), (SA_PCPU, 4)):
        yield case(f"attribute {number}, empty", attr(number, b""))
        yield case(f"attribute {number}, a byte short", attr(number, bytes(size - 1)))
    for way in (0, 1, 2, 3, 255):
        yield case(f"direction {way}", attr(SA_DIR, bytes([way])))
        yield f"GETSA: direction {way}", [], message("GETSA", usersa_id(), attr(SA_DIR, bytes([way])))
        yield f"ALLOCSPI: direction {way}", [], message("ALLOCSPI", usersa(spi=0) + struct.pack("=II", 0x1000, 0x1000), attr(SA_DIR, bytes([way])))
    for way in (1, 2):
        d = attr(SA_DIR, bytes([way]))
        for bit in range(8):
            given = (esn(0, 0),) if bit == 7 and way == 2 else (esn(4, 128),) if bit == 7 else ()
            yield case(f"direction {way}, flag {1 << bit}", d, *given, flags=1 << bit)
        for bit in range(3):
            yield case(f"direction {way}, extra flag {1 << bit}", d, attr(SA_EXTRA_FLAGS, 1 << bit))
        for window in (0, 1, 32):
            yield case(f"direction {way}, old window {window}", d, window=window)
        for name, state in (("oseq", replay(1, 0, 0)), ("seq", replay(0, 1, 0)), ("bitmap", replay(0, 0, 1)), ("nothing", replay())):
            yield case(f"direction {way}, {name}", d, state)
        for words, window, oseq, seq, oseq_hi, seq_hi in ((0, 0, 0, 0, 0, 0), (1, 0, 0, 0, 0, 0), (1, 1, 0, 0, 0, 0), (2, 64, 0, 0, 0, 0),
                                                         (0, 0, 1, 0, 0, 0), (0, 0, 0, 1, 0, 0), (0, 0, 0, 0, 1, 0), (0, 0, 0, 0, 0, 1),
                                                         (2, 64, 1, 0, 0, 0), (2, 64, 0, 0, 1, 0), (2, 64, 0, 1, 0, 1)):
            for flags in (0, 128):
                yield case(f"direction {way}, flags {flags}, {window} in {words}, {oseq} {seq} {oseq_hi} {seq_hi}", d,
                           esn(words, window, oseq, seq, oseq_hi, seq_hi), flags=flags)
        for interval in (0, 5):
            k = attr(NAT_KEEPALIVE, interval)
            yield case(f"direction {way}, keepalive {interval}", d, k)
            yield case(f"direction {way}, keepalive {interval}, encapsulation", d, k, encap())
            yield case(f"direction {way}, keepalive {interval}, encapsulation, IPv6", d, k, encap(), src=A6, dst=B6)
        yield case(f"direction {way}, output mark", d, attr(SET_MARK, 5))
        yield case(f"direction {way}, TFC padding", d, attr(TFCPAD, 5))
        yield case(f"direction {way}, encapsulation", d, encap())
        yield case(f"direction {way}, mapping timer", d, encap(), attr(MTIMER_THRESH, 5))
        yield case(f"direction {way}, CPU 0", d, attr(SA_PCPU, 0))
        yield case(f"direction {way}, AH", attr(SA_DIR, bytes([way])), proto=AH)
    for interval in (0, 5):
        yield case(f"keepalive {interval}", attr(NAT_KEEPALIVE, interval))
        yield case(f"keepalive {interval}, encapsulation", attr(NAT_KEEPALIVE, interval), encap())
    for cpu in (0, 1, 100000, 2**32 - 1):
        yield case(f"CPU {cpu}", attr(SA_PCPU, cpu))
        yield f"GETSA: CPU {cpu}", [], message("GETSA", usersa_id(), attr(SA_PCPU, cpu))
        yield f"ALLOCSPI: CPU {cpu}", [], message("ALLOCSPI", usersa(spi=0) + struct.pack("=II", 0x1000, 0x1000), attr(SA_PCPU, cpu))
    for kind in ("DELSA", "EXPIRE", "FLUSHSA", "NEWAE", "GETAE", "NEWPOLICY", "UPDPOLICY", "GETPOLICY", "DELPOLICY", "POLEXPIRE", "FLUSHPOLICY",
                 "MIGRATE", "SETDEFAULT", "GETDEFAULT", "ACQUIRE"):
        before, body, own = BASE[kind]
        for number, good in ((SA_DIR, b"\2"), (NAT_KEEPALIVE, b"\5\0\0\0"), (SA_PCPU, bytes(4))):
            yield f"{kind}: attribute {number}", [], message(kind, body, *own, attr(number, good))
            yield f"{kind}: attribute {number}, empty", [], message(kind, body, *own, attr(number, b""))
    yield "NEWPOLICY: acquires for each CPU", [], message("NEWPOLICY", userpolicy(flags=4), attr(TMPL, tmpl()))


YOUNG = list(young())
