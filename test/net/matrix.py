"""matrix - which cells the comparison with a real kernel has, and the `ip xfrm` commands of each (matrix_test.py).

A cell is one choice along every axis. All cells would be millions; here are enough that every pair of choices of any two
axes stands in some cell, and beyond that every algorithm with every pair of address families in tunnel mode, and every
stack of protocols in every mode with every pair of families (design())."""
import itertools
import random

HOST = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
INNER = {4: ("10.9.0.1", "10.9.0.2"), 6: ("fd09::1", "fd09::2")}  # of tunnels and of BEET

# What stands around a packet, the innermost first. The last word is how ESP travels.
STACKS = {
    "ESP": ("esp",), "ESP in UDP": ("esp",), "AH": ("ah",), "AH over ESP": ("esp", "ah"), "IPComp": ("comp",),
    "IPComp in ESP": ("comp", "esp"), "IPComp in ESP in UDP": ("comp", "esp"), "AH over ESP over IPComp": ("comp", "esp", "ah"),
}
MODES = ("tunnel", "transport", "beet")
FAMILIES = ("4 in 4", "6 in 6", "4 in 6", "6 in 4")  # the inner one first

# name -> what `ip xfrm` calls it, bytes of key (salt included), bits of ICV
AEADS = {
    **{f"GCM-{k * 8}, ICV {i}": ("rfc4106(gcm(aes))", k + 4, i) for k in (16, 24, 32) for i in (64, 96, 128)},
    **{f"CCM-{k * 8}, ICV {i}": ("rfc4309(ccm(aes))", k + 3, i) for k in (16, 24, 32) for i in (64, 96, 128)},
    **{f"GMAC-{k * 8}": ("rfc4543(gcm(aes))", k + 4, 128) for k in (16, 24, 32)},
    "ChaCha20-Poly1305": ("rfc7539esp(chacha20,poly1305)", 36, 128),
}
CIPHERS = {
    **{f"AES-CTR-{k * 8}": ("rfc3686(ctr(aes))", k + 4) for k in (16, 24, 32)},
    **{f"AES-CBC-{k * 8}": ("cbc(aes)", k) for k in (16, 24, 32)},
    **{f"Camellia-CBC-{k * 8}": ("cbc(camellia)", k) for k in (16, 24, 32)},
    "3DES-CBC": ("cbc(des3_ede)", 24),
    "NULL": ("ecb(cipher_null)", 0),
}
MACS = {
    **{f"SHA1, {i} bits": ("hmac(sha1)", 20, i) for i in (96, 128, 160)},
    **{f"SHA256, {i} bits": ("hmac(sha256)", 32, i) for i in (96, 128, 256)},
    **{f"SHA384, {i} bits": ("hmac(sha384)", 48, i) for i in (96, 192, 384)},
    **{f"SHA512, {i} bits": ("hmac(sha512)", 64, i) for i in (96, 256, 512)},
    **{f"XCBC, {i} bits": ("xcbc(aes)", 16, i) for i in (96, 128)},
    **{f"CMAC, {i} bits": ("cmac(aes)", 16, i) for i in (96, 128)},
}
NONE = "none"
WINDOWS = (0, 32, 64, 128, 1024, 4096)
# What else a command can say: (of the SA, of the policy)
EXTRAS = {
    "plain": ("", ""),
    "flags": ("flag noecn flag decap-dscp", "priority 7 flag icmp"),
    "limits": ("limit time-soft 3000 limit time-hard 4000 limit byte-soft 1000000000 limit byte-hard 2000000000"
               " limit packet-soft 1000000 limit packet-hard 2000000 limit time-use-soft 2000 limit time-use-hard 2500",
               "limit time-soft 3000 limit byte-hard 3000000000 priority 100"),
    "output mark": ("output-mark 0x99 mask 0xff", ""),
    "sequence": ("replay-seq 0x10 replay-oseq 0x20 extra-flag dont-encap-dscp", "flag localok"),
}
AXES = ("stack", "mode", "families", "cipher", "mac", "ah", "esn", "window", "extra")


def possible(axis, chosen):
    """The choices that an axis has once those before it are made; the first word of a MAC names no truncation."""
    stack = STACKS.get(chosen.get("stack"), ())
    if axis == "stack":
        return list(STACKS)
    if axis == "mode":
        # The kernel has no IPComp in BEET mode, and `ip xfrm` no word for AH in it.
        return [m for m in MODES if m != "beet" or stack[0] == "esp"]
    if axis == "families":
        return list(FAMILIES[:2] if chosen["mode"] == "transport" else FAMILIES)
    if axis == "cipher":
        return [*AEADS, *CIPHERS] if "esp" in stack else [NONE]
    if axis == "mac":
        if chosen["cipher"] not in CIPHERS:
            return [NONE]
        return list(MACS)  # RFC 8221 4: no encryption without integrity; the kernel would take it
    if axis == "ah":
        return list(MACS) if "ah" in stack else [NONE]
    if axis == "esn":
        return [False, True] if stack != ("comp",) else [False]
    if axis == "window":
        return [w for w in WINDOWS if w or not chosen["esn"]] if stack != ("comp",) else [0]
    return [e for e in EXTRAS if not (e == "sequence" and (chosen["esn"] or chosen["window"] == 0 or chosen["window"] > 32))]


def demands(cell):
    """What a cell shows: every pair of choices, and the triples that are promised. What AH and the ESP in it compute has
    nothing to do with each other: such pairs need not all be there."""
    for one, other in itertools.combinations(((a, cell[a]) for a in AXES), 2):
        if other[0] != "ah" or one[0] not in ("cipher", "mac"):
            yield one, other
    if cell["mode"] == "tunnel":
        for axis in ("cipher", "mac", "ah"):
            yield (axis, cell[axis], cell["families"])
    yield (cell["stack"], cell["mode"], cell["families"])


def random_cell(chance):
    cell = {}
    for axis in AXES:
        cell[axis] = chance.choice(possible(axis, cell))
    return cell


def all_demands():
    """Found by walking the axes two and three at a time; what an axis allows depends on few of the others."""
    found = set()
    chance = random.Random(7)
    for _ in range(60000):
        found.update(demands(random_cell(chance)))
    return found


def repaired(chance, want):
    """A random cell that meets the demand if that can be had by fixing its choices."""
    fixed = dict(want) if isinstance(want[0], tuple) else {}
    if not fixed:
        fixed = {want[0]: want[1], "families": want[2], "mode": "tunnel"} if want[0] in AXES else \
                dict(zip(("stack", "mode", "families"), want))
    cell = {}
    for axis in AXES:
        choices = possible(axis, cell)
        if axis in fixed:
            if fixed[axis] not in choices:
                return None
            choices = [fixed[axis]]
        cell[axis] = chance.choice(choices)
    return cell


def design(seed=1, tries=24):
    """Greedy: again and again the cell that meets the most of what is still open. Always the same cells for a seed."""
    chance = random.Random(seed)
    open_ = all_demands()
    order = sorted(open_, key=repr)
    cells = []
    while open_:
        want = next(w for w in order if w in open_)
        best, score = None, 0
        attempts = 0
        while attempts < tries or best is None:
            attempts += 1
            cell = repaired(chance, want)
            if cell is None:
                continue
            met = sum(d in open_ for d in demands(cell))
            if met > score:
                best, score = cell, met
        open_.difference_update(demands(best))
        order = [w for w in order if w in open_]
        cells.append(best)
    return cells


def short(cells):
    """A few of every kind: each stack in each mode once, and a rotating choice of everything else."""
    out = []
    for number, kind in enumerate(itertools.product(STACKS, MODES)):
        like = [c for c in cells if (c["stack"], c["mode"]) == kind]
        fit = [c for c in like if c["families"] == FAMILIES[number % len(FAMILIES)]] or like
        out += fit[number % len(fit):][:1] if fit else []
    return out


def title(cell):
    words = [cell["stack"], cell["mode"], "IPv" + cell["families"].replace("in ", "in IPv")]
    words += [cell[a] for a in ("cipher", "mac") if cell[a] != NONE]
    words += [f"AH {cell['ah']}"] if cell["ah"] != NONE else []
    words += ["ESN"] if cell["esn"] else []
    words += [f"window {cell['window']}"]
    words += [cell["extra"]] if cell["extra"] != "plain" else []
    return ", ".join(words)


# ---- the commands ----

def families(cell):
    inner, outer = cell["families"].split(" in ")
    return int(inner), int(outer)


def ends(cell):
    """The addresses that talk: (of pavise-xfrmd's side, of the kernel's side)."""
    inner, outer = families(cell)
    return HOST[outer] if cell["mode"] == "transport" else INNER[inner]


def chain(cell):
    """(protocol, mode) of each SA, the innermost first: the mode is that of the first, the others are around it."""
    return [(proto, cell["mode"] if n == 0 else "transport") for n, proto in enumerate(STACKS[cell["stack"]])]


def key(size, salt):
    return "0x" + bytes((i * 7 + salt * 13 + 3) & 255 for i in range(size)).hex()


def algorithms(cell, proto, way):
    if proto == "comp":
        return "comp deflate"
    if proto == "ah":
        name, size, bits = MACS[cell["ah"]]
        return f"auth-trunc {name} {key(size, 1 + way)} {bits}"
    if cell["cipher"] in AEADS:
        name, size, bits = AEADS[cell["cipher"]]
        return f"aead {name} {key(size, 3 + way)} {bits}"
    name, size = CIPHERS[cell["cipher"]]
    words = f"enc {name} {key(size, 5 + way) if size else chr(34) * 2}"
    if cell["mac"] != NONE:
        name, size, bits = MACS[cell["mac"]]
        words += f" auth-trunc {name} {key(size, 7 + way)} {bits}"
    return words


def state(cell, number, proto, mode, way):
    _inner, outer = families(cell)
    src, dst = HOST[outer][way], HOST[outer][1 - way]
    talk = ends(cell)
    words = [f"xfrm state add src {src} dst {dst} proto {proto} spi {0x1000 * (number + 1) + way:#x} reqid {number + 1}",
             f"mode {mode}", algorithms(cell, proto, way)]
    if proto != "comp":
        words += [f"replay-window {cell['window']}"] if cell["window"] else []
        words += ["flag esn"] if cell["esn"] else []
        words += [EXTRAS[cell["extra"]][0]]
        if proto == "ah" and outer == 4:
            words += ["flag align4"]
    if mode == "tunnel" or number > 0:  # else the SA is for packets of its own family only
        words += ["flag af-unspec"]
    if proto == "esp" and cell["stack"].endswith("in UDP"):
        words += ["encap espinudp 4500 4500 0.0.0.0"]
    if mode == "beet":
        words += [f"sel src {talk[way]} dst {talk[1 - way]}"]
    return " ".join(w for w in words if w)


def policy(cell, direction, way):
    _inner, outer = families(cell)
    talk, extra = ends(cell), EXTRAS[cell["extra"]][1]
    words = [f"xfrm policy add src {talk[way]} dst {talk[1 - way]} dir {direction} {extra}"]
    for number, (proto, mode) in enumerate(chain(cell)):
        level = " level use" if proto == "comp" and direction == "in" else ""
        words += [f"tmpl src {HOST[outer][way]} dst {HOST[outer][1 - way]} proto {proto} reqid {number + 1} mode {mode}{level}"]
    return " ".join(words)


def commands(cell, side):
    """For `ip -batch` on one side: 0 is pavise-xfrmd's, 1 the kernel's."""
    lines = [state(cell, number, proto, mode, way) for number, (proto, mode) in enumerate(chain(cell)) for way in (0, 1)]
    return lines + [policy(cell, "out", side), policy(cell, "in", 1 - side)]
