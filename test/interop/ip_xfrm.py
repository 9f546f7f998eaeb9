#!/usr/bin/python3
"""ip_xfrm - what stock `ip xfrm` prints on a kernel with ESP, and what it prints on pavise-xfrmd.

    test/interop/ip_xfrm.py --record KERNEL    runs SCRIPT on a real kernel; rewrites ip_xfrm.expected
    test/interop/ip_xfrm.py --run LIBRARY...   prints the transcript with the libraries preloaded
                                               (none: of this network namespace's own kernel)

KERNEL is a program that runs a shell script as root inside a kernel that has ESP (User-Mode Linux,
a virtual machine) and prints its output. The comparison itself is ip_xfrm_test.py.

What legitimately differs is masked: random SPIs and policy indices, times, sizes of hash tables,
how long an SA without keys may live.
Extended-ack texts are switched off (NO_TEXT below), so that every refusal shows its errno.
"""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
EXPECTED = os.path.join(HERE, "ip_xfrm.expected")


def key(byte, count):
    return "0x" + f"{byte:02x}" * count


AB = "src 192.0.2.1 dst 198.51.100.1"
AB6 = "src 2001:db8:a::1 dst 2001:db8:b::1"
GCM = f"aead 'rfc4106(gcm(aes))' {key(0x11, 20)} 128"
CBC = f"enc 'cbc(aes)' {key(0x22, 16)} auth-trunc 'hmac(sha256)' {key(0x33, 32)} 128"
TUNNEL = "proto esp mode tunnel"
NETS = "src 10.1.0.0/16 dst 10.2.0.0/16"
NETS6 = "src fd00:1::/64 dst fd00:2::/64"
BA = "src 198.51.100.1 dst 192.0.2.1"
BACK = "src 10.2.0.0/16 dst 10.1.0.0/16"
TMPL = f"tmpl {AB} proto esp mode tunnel"


def sa(spi, rest=GCM, ends=AB, verb="add"):
    return f"xfrm state {verb} {ends} proto esp spi {spi:#x} mode tunnel {rest}"


def algorithms():
    spi = 0x1000
    for bits in (128, 192, 256):
        for icv in (64, 96, 128):
            spi += 1
            yield sa(spi, f"aead 'rfc4106(gcm(aes))' {key(spi & 255, bits // 8 + 4)} {icv}")
    spi += 1
    yield sa(spi, f"aead 'rfc7539esp(chacha20,poly1305)' {key(0x55, 36)} 128")
    for bits in (128, 192, 256):
        for name, octets, icv in (("sha256", 32, 128), ("sha384", 48, 192), ("sha512", 64, 256), ("sha1", 20, 96)):
            spi += 1
            yield sa(spi, f"enc 'cbc(aes)' {key(0x66, bits // 8)} auth-trunc 'hmac({name})' {key(0x77, octets)} {icv}")
    for name, octets, icv in (("sha256", 32, 128), ("sha1", 20, 96)):
        spi += 1
        yield sa(spi, f"enc 'ecb(cipher_null)' '' auth-trunc 'hmac({name})' {key(0x88, octets)} {icv}")
    # short names, and the truncation that comes with them
    yield sa(spi + 1, f"enc aes {key(0x99, 16)} auth sha1 {key(0xaa, 20)}")
    yield sa(spi + 2, f"enc aes {key(0x99, 16)} auth 'hmac(sha384)' {key(0xaa, 48)}")
    yield sa(spi + 3, f"enc aes {key(0x99, 16)} auth 'hmac(sha512)' {key(0xaa, 64)}")
    yield "-s xfrm state list"
    yield "xfrm state list nokeys"
    yield "xfrm state count"
    yield "-s xfrm state count"


def rare_algorithms():
    spi = 0x1100
    for bits in (128, 192, 256):
        for icv in (64, 96, 128):
            spi += 1
            yield sa(spi, f"aead 'rfc4309(ccm(aes))' {key(spi & 255, bits // 8 + 3)} {icv}")
        yield sa(spi + 0x10, f"aead 'rfc4543(gcm(aes))' {key(0x51, bits // 8 + 4)} 128")
        yield sa(spi + 0x20, f"enc 'rfc3686(ctr(aes))' {key(0x52, bits // 8 + 4)} auth-trunc 'hmac(sha256)' {key(0x53, 32)} 128")
        yield sa(spi + 0x30, f"enc 'cbc(camellia)' {key(0x54, bits // 8)} auth-trunc 'hmac(sha512)' {key(0x55, 64)} 256")
        for offset, name in ((0x40, "xcbc(aes)"), (0x50, "cmac(aes)")):
            yield sa(spi + offset, f"enc 'cbc(aes)' {key(0x56, bits // 8)} auth-trunc '{name}' {key(0x57, 16)} 96")
            yield sa(spi + offset + 1, f"enc 'ecb(cipher_null)' '' auth-trunc '{name}' {key(0x58, bits // 8)} 128")
    yield sa(0x1201, f"enc 'cbc(des3_ede)' {key(0x59, 24)} auth-trunc 'hmac(sha256)' {key(0x5a, 32)} 128")
    # short names, and the truncation that comes with them
    yield sa(0x1202, f"enc des3_ede {key(0x5b, 24)} auth 'xcbc(aes)' {key(0x5c, 16)}")
    yield sa(0x1203, f"enc camellia {key(0x5d, 16)} auth 'cmac(aes)' {key(0x5e, 16)}")
    # keys of other lengths than IKE's, truncations of other lengths than the RFCs'
    for i, (name, octets, icv) in enumerate((("sha256", 1, 128), ("sha256", 100, 256), ("sha1", 64, 160), ("sha512", 128, 512),
                                             ("sha384", 20, 100), ("sha256", 32, 0))):
        yield sa(0x1210 + i, f"enc 'cbc(aes)' {key(0x5f, 16)} auth-trunc 'hmac({name})' {key(0x60, octets)} {icv}")
    yield "-s xfrm state list"
    yield "xfrm state list nokeys"
    yield "xfrm state count"


# (title, commands); a command is what follows `ip`, or a line of shell after "!".
CASES = [
    ("an SA, seen in every way", [
        sa(0x100, f"reqid 7 seq 0x15 replay-window 32 {GCM}"),
        "xfrm state", "xfrm state list", "-s xfrm state list", "-o xfrm state list", "-d xfrm state list",
        f"xfrm state get {AB} proto esp spi 0x100",
        f"-s xfrm state get {AB} proto esp spi 0x100",
        f"xfrm state delete {AB} proto esp spi 0x100",
        "xfrm state list",
    ]),
    ("algorithms", list(algorithms())),
    ("rare algorithms", list(rare_algorithms())),
    ("refused rare algorithms and keys", [
        *(sa(0x100, f"aead 'rfc4309(ccm(aes))' {key(1, octets)} {icv}") for octets, icv in ((20, 128), (16, 64), (19, 80), (36, 96))),
        *(sa(0x100, f"aead 'rfc4543(gcm(aes))' {key(1, octets)} {icv}") for octets, icv in ((16, 128), (19, 128), (20, 96), (20, 64))),
        *(sa(0x100, f"enc '{name}' {key(1, octets)} auth-trunc 'hmac(sha256)' {key(2, 32)} 128")
          for name, octets in (("rfc3686(ctr(aes))", 16), ("rfc3686(ctr(aes))", 21), ("ctr(aes)", 16), ("cbc(camellia)", 8),
                               ("cbc(camellia)", 33), ("cbc(des3_ede)", 16), ("cbc(des3_ede)", 8), ("cbc(des3_ede)", 25),
                               ("rfc4309(ccm(aes))", 19), ("cbc(sm4)", 16))),
        *(sa(0x100, f"enc 'cbc(aes)' {key(1, 16)} auth-trunc '{name}' {key(2, octets)} {icv}")
          for name, octets, icv in (("xcbc(aes)", 15, 96), ("cmac(aes)", 33, 96), ("cmac(aes)", 16, 136), ("hmac(sha1)", 20, 168))),
        f"xfrm state add {AB} proto esp spi 0x100 mode tunnel enc 'cbc(aes)' {key(1, 16)} auth-trunc 'xcbc(aes)' '' 96",
        "xfrm state list",
    ]),
    ("refused algorithms and keys", [
        sa(0x100, f"enc rot13 {key(1, 16)} {CBC[CBC.index('auth'):]}"),
        sa(0x100, f"{CBC[:CBC.index('auth')]} auth-trunc 'hmac(crc)' {key(1, 16)} 96"),
        sa(0x100, f"aead 'rfc4106(gcm(rot13))' {key(1, 20)} 128"),
        sa(0x100, f"aead 'rfc4106(gcm(aes))' {key(1, 20)} 100"),
        sa(0x100, f"aead 'rfc4106(gcm(aes))' {key(1, 16)} 128"),
        sa(0x100, f"aead 'rfc4106(gcm(aes))' {key(1, 37)} 128"),
        sa(0x100, f"aead 'rfc7539esp(chacha20,poly1305)' {key(1, 32)} 128"),
        sa(0x100, f"enc 'cbc(aes)' {key(1, 15)} auth-trunc 'hmac(sha256)' {key(2, 32)} 128"),
        sa(0x100, f"enc 'cbc(aes)' {key(1, 16)} auth-trunc 'hmac(sha256)' {key(2, 32)} 264"),
        sa(0x100, ""),
        "xfrm state list",
    ]),
    ("transport mode, BEET, AH", [
        f"xfrm state add {AB} proto esp spi 0x100 mode transport {GCM}",
        f"xfrm state add {AB6} proto esp spi 0x101 mode transport reqid 4 {CBC} replay-window 32",
        f"xfrm state add {AB} proto esp spi 0x102 mode transport {GCM} encap espinudp 4500 4500 0.0.0.0",
        f"xfrm state add {AB} proto esp spi 0x103 mode transport {GCM} sel src 192.0.2.1 dst 198.51.100.1 proto tcp dport 80",
        f"xfrm state add {AB} proto esp spi 0x104 mode transport {GCM} sel src 2001:db8:a::1 dst 2001:db8:b::1",
        f"xfrm state add {AB} proto esp spi 0x105 mode transport flag af-unspec {GCM}",
        f"xfrm state add {AB} proto esp spi 0x106 mode beet {GCM} sel src 10.1.0.1 dst 10.2.0.1",
        f"xfrm state add {AB} proto esp spi 0x107 mode beet {GCM} sel src 2001:db8:1::1 dst 2001:db8:2::1",
        f"xfrm state add {AB} proto ah spi 0x108 mode transport auth-trunc 'hmac(sha256)' {key(0x33, 32)} 128 flag align4",
        f"xfrm state add {AB6} proto ah spi 0x109 mode tunnel auth sha1 {key(0x33, 20)}",
        f"xfrm state add {AB} proto ah spi 0x10b mode transport auth-trunc 'hmac(sha512)' {key(0x33, 64)} 256"
        " replay-window 64 flag esn",
        f"xfrm state add {AB} proto ah spi 0x10c mode transport {GCM}",
        f"xfrm state add {AB} proto ah spi 0x10d mode transport {CBC}",
        f"xfrm state add {AB} proto ah spi 0x10e mode transport auth sha1 {key(0x33, 20)} encap espinudp 4500 4500 0.0.0.0",
        f"xfrm state add {AB} proto ah spi 0x10f mode transport",
        "-s xfrm state list", "xfrm state list mode transport", "xfrm state list proto ah",
        f"xfrm state get {AB} proto ah spi 0x108", f"xfrm state delete {AB} proto ah spi 0x108",
        f"xfrm policy add {NETS} dir out tmpl {AB} proto esp mode transport tmpl {AB} proto ah mode transport reqid 2",
        f"xfrm policy add {NETS} dir in tmpl proto esp mode transport level use tmpl proto ah mode transport",
        f"xfrm policy add {NETS} dir fwd tmpl {AB6} proto esp mode tunnel tmpl {AB} proto ah mode transport",
        f"xfrm policy add {NETS} dir fwd tmpl {AB6} proto esp mode tunnel tmpl {AB6} proto ah mode transport",
        f"xfrm policy add src 10.3.0.0/16 dst 10.4.0.0/16 dir out tmpl {AB} proto esp mode beet",
        "xfrm policy list",
    ]),
    ("IPComp", [
        f"xfrm state add {AB} proto comp spi 0x1234 reqid 5 mode tunnel flag af-unspec comp deflate",
        f"xfrm state add {AB} proto comp spi 0x1235 reqid 6 mode tunnel comp deflate sel src 10.2.0.0/16 dst 10.1.0.0/16",
        f"xfrm state add {AB} proto comp spi 0x1236 mode transport comp deflate replay-window 32",
        f"xfrm state add {AB} proto comp spi 0x1237 mode tunnel comp deflate mark 7",
        f"xfrm state add {AB6} proto comp spi 0x1234 mode tunnel comp deflate sel src fd00:1::/64 dst fd00:2::/64",
        f"xfrm state add {AB} proto comp spi 0x1234 mode tunnel comp deflate",
        f"xfrm state add {AB} proto comp spi 0x1239 mode tunnel comp lzs",
        f"xfrm state add {AB} proto comp spi 0x1239 mode tunnel comp rot13",
        f"xfrm state add {AB} proto comp spi 0x1239 mode tunnel",
        f"xfrm state add {AB} proto comp spi 0x12345 mode tunnel comp deflate",
        f"xfrm state add {AB} proto comp spi 0x1239 mode tunnel comp deflate encap espinudp 4500 4500 0.0.0.0",
        f"xfrm state add {AB} proto comp spi 0x1239 mode tunnel comp deflate tfcpad 100",
        f"xfrm state add {AB} proto comp spi 0x1239 mode beet comp deflate sel src 10.1.0.1 dst 10.2.0.1",
        f"xfrm state allocspi {AB} proto comp mode tunnel reqid 9 min 0x5000 max 0x5000",
        f"xfrm state allocspi {AB} proto comp mode tunnel reqid 9 min 0x100 max 0x10000",
        "-s xfrm state list", "xfrm state list proto comp", "xfrm state list mode transport", "xfrm state count",
        f"xfrm state get {AB} proto comp spi 0x1234",
        f"xfrm policy add {NETS} dir in tmpl {AB} proto comp reqid 5 mode tunnel level use tmpl proto esp mode transport",
        f"xfrm policy add {NETS} dir out tmpl {AB} proto comp reqid 5 mode tunnel tmpl proto esp mode transport",
        "xfrm policy list",
        "!monitor", f"xfrm state delete {AB} proto comp spi 0x1235", "!heard",
        "xfrm state flush proto esp", "xfrm state list mode tunnel",
        "xfrm state flush proto comp", "!sleep 1", "xfrm state list",
    ]),
    ("duplicates and missing SAs", [
        sa(0x100), sa(0x100), sa(0x100, CBC),
        sa(0x101, verb="update"),
        f"xfrm state get {AB} proto esp spi 0x102",
        f"xfrm state delete {AB} proto esp spi 0x102",
        f"xfrm state get {AB} proto ah spi 0x100",
        f"xfrm state delete src 192.0.2.9 dst 198.51.100.9 proto esp spi 0x100",
        "xfrm state list",
        "xfrm state flush proto ah", "xfrm state count",
        "xfrm state flush proto esp", "xfrm state count",
        "xfrm state flush",
    ]),
    ("update", [
        sa(0x100, f"reqid 1 {GCM} encap espinudp 4500 4500 0.0.0.0"),
        sa(0x100, f"reqid 1 {GCM} encap espinudp 4500 4501 0.0.0.0 limit byte-hard 1000000", verb="update"),
        "-s xfrm state list",
    ]),
    ("IPv6, and one family in the other", [
        sa(0x100, GCM, AB6), sa(0x101, f"{CBC} sel src 10.0.0.0/8 dst 11.0.0.0/8", AB6),
        sa(0x102, f"{GCM} sel src 2001:db8:1::/48 dst 2001:db8:2::/48"),
        sa(0x103, f"flag af-unspec {GCM}"),
        sa(0x104, f"{GCM} encap espinudp 4500 4500 ::", AB6),
        "-s xfrm state list",
        f"xfrm state get {AB6} proto esp spi 0x100",
    ]),
    ("replay windows and ESN", [
        sa(0x100, f"replay-window 0 {GCM}"), sa(0x101, f"replay-window 16 {GCM}"),
        sa(0x102, f"replay-window 32 replay-seq 0x10 replay-oseq 0x20 {GCM}"),
        sa(0x103, f"replay-window 64 flag esn {GCM}"),
        sa(0x104, f"replay-window 4096 flag esn {GCM}"),
        sa(0x105, f"replay-window 1024 flag esn replay-seq 0x5 replay-seq-hi 0x1 replay-oseq 0x9 replay-oseq-hi 0x2 {GCM}"),
        sa(0x106, f"replay-window 100 flag esn {GCM}"),
        sa(0x107, f"flag esn {GCM}"),
        sa(0x108, f"replay-window 5000 flag esn {GCM}"),
        sa(0x109, f"replay-window 4097 flag esn {GCM}"),
        "xfrm state list", "-s xfrm state list",
    ]),
    ("marks, interfaces, encapsulation", [
        sa(0x100, f"{GCM} mark 0x5"), sa(0x101, f"{GCM} mark 0x5 mask 0xff"),
        sa(0x102, f"{GCM} output-mark 0x7"), sa(0x103, f"{GCM} output-mark 0x7 mask 0xf"),
        sa(0x104, f"{GCM} if_id 0x9"),
        sa(0x105, f"{GCM} encap espinudp 4500 40000 0.0.0.0"),
        sa(0x106, f"{GCM} extra-flag dont-encap-dscp"),
        sa(0x107, f"{GCM} extra-flag oseq-may-wrap"),
        sa(0x108, f"flag noecn {GCM}"), sa(0x109, f"flag decap-dscp {GCM}"), sa(0x10a, f"flag nopmtudisc {GCM}"),
        "xfrm state list", "-s xfrm state list",
        f"xfrm state get {AB} proto esp spi 0x101 mark 0x5",
        f"xfrm state get {AB} proto esp spi 0x101",
        f"xfrm state delete {AB} proto esp spi 0x101",
        f"xfrm state delete {AB} proto esp spi 0x101 mark 0x5",
        sa(0x110, f"{GCM} mark 0x1 mask 0xff"), sa(0x110, f"{GCM} mark 0x2 mask 0xff"),
        sa(0x110, f"{GCM} mark 0x2 mask 0xff"),
        f"xfrm state delete {AB} proto esp spi 0x110 mark 0x2 mask 0xff",
        "xfrm state count",
    ]),
    ("selectors and limits", [
        sa(0x100, f"{GCM} sel src 10.1.0.0/16 dst 10.2.0.0/16"),
        sa(0x101, f"{GCM} sel src 10.1.0.1/32 dst 10.2.0.1/32 proto tcp sport 80 dport 443"),
        sa(0x102, f"{GCM} sel src 10.1.0.1/32 dst 10.2.0.1/32 proto udp sport 53"),
        sa(0x103, f"{GCM} sel src 10.1.0.1/32 dst 10.2.0.1/32 proto icmp type 8 code 0"),
        sa(0x104, f"{GCM} sel src 10.1.0.1/32 dst 10.2.0.1/32 dev lo"),
        sa(0x105, f"{GCM} limit byte-soft 1000 limit byte-hard 2000 limit packet-soft 30 limit packet-hard 40"),
        sa(0x106, f"{GCM} limit time-soft 1000 limit time-hard 2000 limit time-use-soft 300 limit time-use-hard 400"),
        "xfrm state list", "-s xfrm state list",
    ]),
    ("lists with a filter", [
        sa(0x100, f"reqid 1 {GCM}"), sa(0x101, f"reqid 2 {GCM}", AB6),
        sa(0x102, f"reqid 2 {CBC}", "src 192.0.2.7 dst 198.51.100.7"),
        "xfrm state list src 192.0.2.7", "xfrm state list dst 2001:db8:b::/64", "xfrm state list reqid 2",
        "xfrm state list proto esp", "xfrm state list proto ah", "xfrm state list mode tunnel", "xfrm state list spi 0x102",
        "-4 xfrm state list", "-6 xfrm state list",
        "xfrm state deleteall reqid 2", "xfrm state list",
        "xfrm state deleteall", "xfrm state count",
    ]),
    ("SPIs", [
        f"xfrm state allocspi {AB} {TUNNEL} reqid 5 min 0x1000 max 0x1000",
        "xfrm state list", "-s xfrm state list",
        f"xfrm state allocspi {AB} {TUNNEL} reqid 8 min 0x2000 max 0x1fff",
        f"xfrm state allocspi {AB} {TUNNEL} reqid 9",
        f"xfrm state allocspi {AB} {TUNNEL} reqid 10 seq 0x77 min 0x3000 max 0x3000",
        f"xfrm state allocspi {AB6} {TUNNEL} reqid 11 min 0x4000 max 0x4000",
        sa(0x1000, f"reqid 5 {GCM}"),
        sa(0x1000, f"reqid 5 {GCM}", verb="update"),
        f"xfrm state get {AB} proto esp spi 0x1000",
        f"xfrm state get {AB} proto esp spi 0x3000",
        "xfrm state count",
        f"xfrm state allocspi {AB} {TUNNEL} reqid 6 min 0x1000 max 0x1000",
    ]),
    ("policies", [
        f"xfrm policy add {NETS} dir out {TMPL} reqid 1",
        f"xfrm policy add {NETS} dir in {TMPL} reqid 1",
        f"xfrm policy add {NETS} dir fwd priority 1000 {TMPL} reqid 1",
        "xfrm policy", "xfrm policy list", "-s xfrm policy list", "-o xfrm policy list", "-d xfrm policy list",
        f"xfrm policy get {NETS} dir out", f"-s xfrm policy get {NETS} dir fwd",
        "xfrm policy count", "-s xfrm policy count",
        f"xfrm policy delete {NETS} dir in", "xfrm policy list dir in", "xfrm policy count",
    ]),
    ("kinds of policies", [
        "xfrm policy add src 10.3.0.0/16 dst 10.4.0.0/16 dir out action block priority 10",
        "xfrm policy add src 10.5.0.0/16 dst 10.6.0.0/16 dir out priority 20",
        f"xfrm policy add src 10.7.0.0/16 dst 10.8.0.0/16 proto tcp sport 80 dport 443 dir out {TMPL}",
        f"xfrm policy add src 10.9.0.0/16 dst 10.10.0.0/16 dir out mark 0x3 mask 0xff {TMPL}",
        f"xfrm policy add src 10.11.0.0/16 dst 10.12.0.0/16 dir out if_id 0x5 {TMPL}",
        f"xfrm policy add src 10.13.0.0/16 dst 10.14.0.0/16 dir in {TMPL} level use",
        f"xfrm policy add src 10.15.0.0/16 dst 10.16.0.0/16 dir out ptype main {TMPL}",
        f"xfrm policy add src 2001:db8:1::/48 dst 2001:db8:2::/48 dir out tmpl {AB6} {TUNNEL} reqid 3",
        f"xfrm policy add src 2001:db8:1::/48 dst 2001:db8:3::/48 dir out {TMPL}",
        f"xfrm policy add {NETS} dir out limit time-soft 100 limit time-hard 200 limit byte-hard 5 tmpl {AB} proto esp spi 0x55 mode tunnel",
        f"xfrm policy add src 10.17.0.0/16 dst 10.18.0.0/16 dir out flag localok {TMPL}",
        f"xfrm policy add src 10.17.0.0/16 dst 10.19.0.0/16 dir out flag icmp {TMPL}",
        "xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dev lo dir in priority 5",
        "xfrm policy list", "-s xfrm policy list", "xfrm policy list dir out", "xfrm policy list action block",
        "xfrm policy list priority 20", "xfrm policy list ptype main", "-6 xfrm policy list",
        "xfrm policy get src 10.9.0.0/16 dst 10.10.0.0/16 dir out",
        "xfrm policy get src 10.9.0.0/16 dst 10.10.0.0/16 dir out mark 0x3 mask 0xff",
        "xfrm policy get src 10.11.0.0/16 dst 10.12.0.0/16 dir out if_id 0x5",
        "xfrm policy deleteall dir in", "xfrm policy count",
        "xfrm policy flush ptype main", "xfrm policy count",
    ]),
    ("duplicates and missing policies", [
        f"xfrm policy add {NETS} dir out priority 1 {TMPL}",
        f"xfrm policy add {NETS} dir out priority 1 {TMPL}",
        f"xfrm policy add {NETS} dir out priority 2 {TMPL}",
        f"xfrm policy update {NETS} dir out priority 3 {TMPL} reqid 9",
        f"xfrm policy update {NETS} dir in priority 3 {TMPL} reqid 9",
        "xfrm policy list",
        f"xfrm policy get {NETS} dir fwd", f"xfrm policy delete {NETS} dir fwd",
        "xfrm policy get index 9999 dir out", "xfrm policy delete index 9999 dir out",
        f"xfrm policy add src 10.20.0.0/16 dst 10.21.0.0/16 dir out index 17 {TMPL}",
        f"xfrm policy add src 10.20.0.0/16 dst 10.22.0.0/16 dir out index 16 {TMPL}",
        "xfrm policy get index 17 dir out", "xfrm policy delete index 17 dir out",
        f"xfrm policy add src 10.23.0.0/16 dst 10.24.0.0/16 dir out {TMPL} level use",
        f"xfrm policy add src 10.23.0.0/16 dst 10.24.0.0/16 dir out tmpl proto esp mode tunnel",
        "xfrm policy list", "xfrm policy flush", "xfrm policy flush", "xfrm policy list",
    ]),
    ("thresholds and defaults", [
        "-s -s xfrm policy count",
        "xfrm policy set hthresh4 24 32", "xfrm policy set hthresh6 64 128",
        "-s -s xfrm policy count",
        "xfrm policy set hthresh4 33 32",
        "xfrm policy getdefault",
        "xfrm policy set hthresh4 32 32 hthresh6 128 128",
    ]),
    ("monitor", [
        "!monitor",
        sa(0x100, f"reqid 1 replay-window 32 {GCM}"), sa(0x100, f"reqid 1 {GCM} limit byte-hard 1000000", verb="update"),
        sa(0x100, CBC),
        f"xfrm state delete {AB} proto esp spi 0x100",
        sa(0x101, f"{CBC} mark 0x5 mask 0xff if_id 0x3 encap espinudp 4500 4500 0.0.0.0"),
        "xfrm state flush", "xfrm state flush",
        f"xfrm state allocspi {AB} {TUNNEL} reqid 5 min 0x1000 max 0x1000",
        sa(0x1000, f"reqid 5 {GCM}", verb="update"),
        "xfrm state flush proto esp",
        f"xfrm policy add {NETS} dir out {TMPL} reqid 1",
        f"xfrm policy update {NETS} dir out priority 7 {TMPL} reqid 2",
        f"xfrm policy add {NETS} dir in index 24 {TMPL} reqid 1",
        f"xfrm policy delete {NETS} dir out", "xfrm policy delete index 24 dir in",
        f"xfrm policy add src 10.5.0.0/16 dst 10.6.0.0/16 dir fwd mark 0x3 action block",
        "xfrm policy flush",
        "!heard",
    ]),
    ("monitor: expiry", [
        "!monitor",
        sa(0x100, f"reqid 1 {GCM} limit time-soft 1 limit time-hard 3 mark 0x2 mask 0xf if_id 0x7"),
        "!sleep 4.5",
        "xfrm state count",
        "!heard",
    ]),
    ("monitor: only SAs", [
        "!monitor SA",
        sa(0x100), f"xfrm policy add {NETS} dir out {TMPL}", f"xfrm state delete {AB} proto esp spi 0x100",
        "!heard",
    ]),
    ("monitor: only policies", [
        "!monitor policy",
        sa(0x100), f"xfrm policy add {NETS} dir out {TMPL}", f"xfrm policy delete {NETS} dir out",
        "!heard",
    ]),
    ("monitor: policies expire", [
        "!monitor",
        f"xfrm policy add {NETS} dir out priority 3 if_id 0x7 mark 0x2 mask 0xf limit time-soft 1 limit time-hard 3 {TMPL} reqid 9",
        f"xfrm policy add {NETS6} dir in limit time-hard 2 tmpl {AB6} proto esp mode tunnel",
        "!sleep 4.5",
        "xfrm policy count",
        "!heard",
    ]),
    ("monitor: the life of a tunnel, in full", [
        "!monitor-s",
        f"xfrm state allocspi {BA} {TUNNEL} reqid 5 min 0x1000 max 0x1000",
        sa(0x1000, f"reqid 5 replay-window 64 flag esn af-unspec {GCM} limit time-soft 3000 limit time-hard 3600", BA, "update"),
        sa(0x2000, f"reqid 5 replay-window 64 flag esn af-unspec {GCM} limit byte-soft 1000 limit packet-hard 5000"),
        *(f"xfrm policy add {nets} dir {way} priority 100 tmpl {ends} {TUNNEL} reqid 5"
          for way, nets, ends in (("out", NETS, AB), ("in", BACK, BA), ("fwd", BACK, BA), ("out", NETS6, AB))),
        f"xfrm policy update {NETS} dir out priority 90 tmpl {AB} {TUNNEL} reqid 6",
        sa(0x2001, f"reqid 6 {CBC} output-mark 0x9 mask 0xff if_id 0x4 encap espinudp 4500 4501 0.0.0.0"),
        sa(0x2002, f"reqid 6 tfcpad 100 extra-flag dont-encap-dscp {CBC}", AB6),
        "-s -d xfrm state list", "-s -d xfrm policy list", "-d xfrm policy list",
        f"xfrm state delete {AB} proto esp spi 0x2000",
        f"xfrm policy delete {NETS6} dir out",
        "xfrm state deleteall reqid 5", "xfrm policy deleteall dir in",
        "xfrm policy setdefault out block", "xfrm policy setdefault out accept",
        "xfrm state flush", "xfrm policy flush",
        "!heard",
    ]),
]

SHELL = {  # the background listener of the monitor cases
    "monitor": "$IP xfrm monitor {0} > $T/heard 2>&1 & M=$!; sleep 0.6",
    "monitor-s": "$IP -s -d xfrm monitor > $T/heard 2>&1 & M=$!; sleep 0.6",
    "heard": "sleep 0.6; kill $M; wait $M 2>/dev/null; echo '--- heard'; cat $T/heard",
}

# Stands between ip and libc: no extended acks, so iproute2 prints the errno.
NO_TEXT = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>
int setsockopt(int fd, int level, int option, const void *value, socklen_t n)
{
    int (*next)(int, int, int, const void *, socklen_t) = dlsym(RTLD_NEXT, "setsockopt");
    if (level == 270 && option == 11) return errno = ENOPROTOOPT, -1;
    return next(fd, level, option, value, n);
}
"""


def script(libraries):
    """The whole run as one shell script; expects $T, a scratch folder."""
    lines = [f"IP='env LD_PRELOAD={':'.join(libraries)} ip'", "export TZ=UTC LC_ALL=C", "$IP link set lo up"]
    for title, commands in CASES:
        lines += [f"echo '=== {title}'", "$IP xfrm state flush; $IP xfrm policy flush"]
        for command in commands:
            if command.startswith("!"):
                word, _, rest = command[1:].partition(" ")
                lines.append(SHELL.get(word, command[1:]).format(rest))
            else:
                lines += [f"cat <<'END'\n$ ip {command}\nEND", f"$IP {command} 2>&1; echo \"= $?\""]
    return "\n".join(lines) + "\n"


def mask(text):
    for pattern, by in (
            (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b", "TIME"),
            (r"\bindex \d+\b(?! dir)", "index N"),
            (r"buckets count \d+", "buckets count N"),
            (r"\(buckets count N Max \d+\)", "(buckets count N Max N)"),
            (r"buckets: count \d+ Max \d+", "buckets: count N Max N"),
            # sysctl xfrm_acq_expires: 30 in a kernel left alone, 165 where an IKE daemon runs
            (r"hard (30|165)\(sec\)", "hard ACQUIRE(sec)"),
            (r"[ \t]+$", "")):
        text = re.sub(pattern, by, text, flags=re.M)
    # An SPI without a range is random; every other one is below 0x10000.
    return re.sub(r"spi 0x(?!0000)[0-9a-f]{8}(\(\d+\))?", lambda m: "spi RANDOM" + ("(N)" if m[1] else ""), text)


def no_text(folder):
    """Builds NO_TEXT; returns the library's path."""
    library = os.path.join(folder, "no_text.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, "-x", "c", "-", "-ldl"], input=NO_TEXT, text=True, check=True)
    return library


def transcript(libraries, runner=(), shell="/bin/sh"):
    """Runs the script through `runner` (a command prefix) and returns the masked transcript."""
    with tempfile.TemporaryDirectory(prefix="pavise-ip-xfrm-") as folder:
        path = os.path.join(folder, "script")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!{shell}\nT=$(mktemp -d)\n" + script([no_text(folder), *libraries]) + "rm -r $T\n")
        os.chmod(path, 0o755)
        done = subprocess.run([*runner, path], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
        return mask(done.stdout[done.stdout.index("=== "):])


def cases(text):
    """{title: transcript of that case}"""
    parts = re.split(r"^=== (.*)\n", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def expected():
    with open(EXPECTED, encoding="utf-8") as file:
        return cases(file.read())


def record(kernel):
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as probe:
        probe.write("uname -sr; ip -V\n")
        probe.flush()
        versions = subprocess.run([kernel, probe.name], text=True, capture_output=True, check=True).stdout.split("\n")
    text = transcript([], [kernel, "--timeout", "600"])
    with open(EXPECTED, "w", encoding="utf-8") as file:
        file.write(f"# What stock `ip xfrm` prints on {versions[0]} ({versions[1]}).\n"
                   "# Regenerate: test/interop/ip_xfrm.py --record KERNEL (see there)\n" + text.rstrip() + "\n")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--record":
        record(sys.argv[2])
    elif len(sys.argv) >= 2 and sys.argv[1] == "--run":
        sys.stdout.write(transcript([os.path.abspath(p) for p in sys.argv[2:]]))
    else:
        sys.exit(__doc__)
