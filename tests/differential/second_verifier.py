"""A second verifier, written from `docs/protocol.md` alone.

Plain and slow on purpose: integers, lists, one function per paragraph of that page, nothing shared with the package.
A key is the circuit's JSON export; the numbers in comments are sections and steps of the page.
"""

import hashlib
import json
from itertools import islice, pairwise
from operator import add, mul, sub
from pathlib import Path

P = 2**31 - 2**27 + 1
ROOT_27 = pow(31, 15, P)
NAME = b"localbento-stark"
LEAF, NODE, CIRCUIT, TRANSCRIPT, STATIC = 1, 2, 3, 4, 5
LOG_FOLD, COEFFICIENTS = 4, 5
INDICES = [(i, j) for i in range(COEFFICIENTS) for j in range(COEFFICIENTS)]

# Section 2, by number: (name, layer, suite, beta, q, g, stop, cap, b, h_q, c, lowest, tallest, toy)
PARAMETER_SETS = {
    1: ("S100", 1, 1, 2, 88, 20, 8, 5, 192, 100, 4, 9, 22, False),
    2: ("R100", 2, 1, 3, 58, 20, 8, 5, 136, 72, 8, 10, 20, False),
    3: ("W100", 3, 2, 5, 36, 16, 6, 4, 96, 52, 4, 9, 17, False),
    101: ("T4-toy", 1, 1, 2, 8, 6, 5, 2, 27, 13, 4, 6, 16, True),
    102: ("T8-toy", 2, 1, 3, 8, 6, 5, 2, 27, 13, 8, 7, 16, True),
}
FIELDS = ("name", "layer", "suite", "log_blowup", "queries", "grinding", "stop", "cap", "blinding", "randomizers")
FIELDS += ("chunks", "lowest", "tallest", "is_toy")


class Refused(Exception):
    """The proof is not valid; the argument is the reason, a word of section 9."""


def check(holds, reason):
    """Refuses with a reason unless something holds."""
    if not holds:
        raise Refused(reason)


# 1. The fields and the domains


class Ext:
    """An element of F_p[X]/(X^5 - 2): five coefficients, that of X^0 first."""

    __slots__ = ("c",)

    def __init__(self, *coefficients):
        self.c = tuple(x % P for x in coefficients) + (0,) * (COEFFICIENTS - len(coefficients))

    def __add__(self, other):
        return Ext(*(x + y for x, y in zip(self.c, other.c, strict=True)))

    def __sub__(self, other):
        return Ext(*(x - y for x, y in zip(self.c, other.c, strict=True)))

    def __mul__(self, other):
        if isinstance(other, int):
            return Ext(*(x * other for x in self.c))
        product = [0] * (2 * COEFFICIENTS - 1)
        for i, j in INDICES:
            product[i + j] += self.c[i] * other.c[j]
        return Ext(*(low + 2 * high for low, high in zip(product, [*product[COEFFICIENTS:], 0], strict=False)))

    def __pow__(self, exponent):
        result, square = Ext(1), self
        while exponent:
            if exponent & 1:
                result = result * square
            square, exponent = square * square, exponent >> 1
        return result

    def __truediv__(self, other):
        return self * (pow(other, -1, P) if isinstance(other, int) else other ** (P**COEFFICIENTS - 2))

    def __eq__(self, other):
        return self.c == (other.c if isinstance(other, Ext) else Ext(other).c)

    __hash__ = None


def omega(j):
    """The root of unity of order 2^j."""
    return pow(ROOT_27, 2 ** (27 - j), P)


def point(j, n):
    """The point at position n, bit-reversed, of the domain of 2^j points."""
    reverse = int(format(n, f"0{j}b")[::-1], 2) if j else 0
    return pow(31, 2 ** (27 - j), P) * pow(omega(j), reverse, P) % P


# 3. Hashing

CONSTANTS_FILE = Path(__file__).parents[2] / "src/localbento/hash/poseidon2_babybear_24.json"
CONSTANTS = json.loads(CONSTANTS_FILE.read_text(encoding="utf-8"))
DIAGONAL, ROUNDS = CONSTANTS["m_int_diag"], CONSTANTS["round_constants"]


def external(state):
    """M_E: m4 on each block of four, then the sum of all blocks is added to each."""
    fours = [state[i : i + 4] for i in range(0, 24, 4)]
    blocks = [[sum(m * x for m, x in zip(row, four, strict=True)) for row in CONSTANTS["m4"]] for four in fours]
    sums = [sum(column) for column in zip(*blocks, strict=True)]
    return [(x + s) % P for block in blocks for x, s in zip(block, sums, strict=True)]


def permute(state):
    """Poseidon2 of width 24."""
    state = external(state)
    for constants in ROUNDS["initial_full"]:
        state = external([pow(x + k, 7, P) for x, k in zip(state, constants, strict=True)])
    for constant in ROUNDS["partial"]:
        state[0] = pow(state[0] + constant, 7, P)
        total = sum(state)
        state = [(total + d * x) % P for d, x in zip(DIAGONAL, state, strict=True)]
    for constants in ROUNDS["final_full"]:
        state = external([pow(x + k, 7, P) for x, k in zip(state, constants, strict=True)])
    return state


def blocks_of_16(elements):
    """The list in blocks of 16, the last one filled with zeros."""
    return [(elements[i : i + 16] + [0] * 15)[:16] for i in range(0, len(elements), 16)]


def sponge(tag, elements):
    """The digest of a list of elements."""
    state = [0] * 16 + [tag, len(elements)] + [0] * 6
    for block in blocks_of_16(elements):
        state = permute(block + state[16:])
    return state[:8]


def node(left, right):
    """The digest of two digests."""
    return permute(left + right + [NODE] + [0] * 7)[:8]


# 8. Transcript


class Transcript:
    """What the verifier has seen, and the challenges that follow from it."""

    def __init__(self, parameters):
        identity = [1, parameters["suite"], parameters["number"], parameters["layer"]]
        self.state = [0] * 16 + sponge(TRANSCRIPT, list(NAME) + identity)
        self.used = 0

    def absorb(self, kind, elements):
        """Takes a message of a type; no message if it has no elements."""
        if not elements:
            return
        for block in [[kind, len(elements)] + [0] * 14, *blocks_of_16(elements)]:
            self.state = permute(block + self.state[16:])
        self.used = 0

    def element(self):
        """Squeezes an element of the base field."""
        if self.used == 16:
            self.state, self.used = permute(self.state), 0
        self.used += 1
        return self.state[self.used - 1]

    def challenge(self):
        """Squeezes a challenge."""
        return Ext(*(self.element() for _ in range(COEFFICIENTS)))


def flat(values):
    """The coefficients of elements of F, or the elements of digests, in one list."""
    return [x for v in values for x in (v.c if isinstance(v, Ext) else v)]


# 4. and 5. Circuits


def circuit_form(key):
    """The canonical form of a circuit, as bytes."""
    p = key["parameters"]
    out = []

    def text(string):
        out.extend([len(string.encode()), *string.encode()])

    numbers = [p[x] for x in ("number", *FIELDS[1:])]
    out.extend([1, *numbers[:6], LOG_FOLD, *(int(x) for x in numbers[6:])])
    text(key["name"])
    out.append(len(key["public_values"]))
    out.append(len(key["buses"]))
    for bus in key["buses"]:
        ranks = sorted(bus["ranks"])
        out.extend([bus["number"], ("exchange", "lookup").index(bus["kind"]), len(bus["fields"]), bus["rank"]])
        out.extend([len(ranks), *flat(ranks)])
    out.append(len(key["public_messages"]))
    for message in key["public_messages"]:
        out.extend([message["bus"], 1 if message["sign"] == 1 else 2, len(message["components"])])
        for component in message["components"]:
            out.extend([0, component["constant"]] if "constant" in component else [1, component["public"]])
    out.append(len(key["chips"]))
    for chip in key["chips"]:
        out.append(chip["log_rows"])
        text(chip["name"])
        out.extend([len(chip["fixed"]), len(chip["main"]), len(chip["nodes"]), *flat(chip["nodes"]), chip["real"]])
        out.extend([len(chip["constraints"]), *(c["node"] for c in chip["constraints"])])
        out.append(len(chip["messages"]))
        for m in chip["messages"]:
            out.extend([len(m["buses"]), *m["buses"], m["bus_node"], 1 if m["sign"] == 1 else 2, m["times"]])
            out.extend([0 if m["rank"] is None else m["rank"] + 1, len(m["ops"]), *m["ops"]])
            out.extend([len(m["components"]), *m["components"]])
        out.extend([len(chip["helpers"]), *chip["helpers"]])
    return b"".join(x.to_bytes(4, "little") for x in out)


def check_export(key):
    """That an export is consistent: its digests are those of what it holds, its parameters those of the table."""
    parameters = key["parameters"]
    assert tuple(parameters[f] for f in FIELDS) == PARAMETER_SETS[parameters["number"]]
    digest = hashlib.sha256(circuit_form(key)).digest()
    assert digest.hex() == key["circuit_bytes_sha256"]
    assert sponge(STATIC, list(digest)) == key["static_digest"]
    assert sponge(CIRCUIT, key["static_digest"] + flat(key["fixed_cap"])) == key["circuit_digest"]


class Shape:
    """Sizes that follow from a circuit."""

    def __init__(self, key):
        self.key, p = key, key["parameters"]
        self.blowup, self.cap, self.chunks = p["log_blowup"], p["cap"], p["chunks"]
        self.heights = sorted({chip["log_rows"] for chip in key["chips"]}, reverse=True)
        self.tallest = self.heights[0]
        self.chips = {h: [chip for chip in key["chips"] if chip["log_rows"] == h] for h in self.heights}
        helpers = {h: sum(len(chip["helpers"]) for chip in self.chips[h]) for h in self.heights}
        fixed = {h: sum(len(chip["fixed"]) for chip in self.chips[h]) for h in self.heights}
        # Cells in a row of each tree, and functions opened at z, by height; heights without cells are left out.
        self.trees = [
            {h: n for h, n in fixed.items() if n},
            {h: sum(len(chip["main"]) for chip in self.chips[h]) for h in self.heights},
            {h: COEFFICIENTS * (helpers[h] + 1) for h in self.heights},
            dict.fromkeys(self.heights, COEFFICIENTS * (self.chunks + 1)),
        ]
        extended = [{h: n // COEFFICIENTS for h, n in tree.items()} for tree in self.trees[2:]]
        self.opened = [*self.trees[:2], extended[0], {h: n - 1 for h, n in extended[1].items()}]  # without the mask
        self.functions = {h: 2 + sum(tree.get(h, 0) for tree in self.opened) for h in self.heights}
        self.selectors = (max(self.functions.values()) - 1).bit_length()
        messages = [m for chip in key["chips"] for m in chip["messages"]] + key["public_messages"]
        self.width = max((len(m["components"]) for m in messages), default=0)
        steps = [self.tallest]
        while steps[-1] > p["stop"]:
            steps.append(steps[-1] - LOG_FOLD)
        self.log_final = steps[-1]
        # Of each layer: t, s, and its heights.
        self.layers = [(t, s, [t] + [h for h in self.heights if s < h < t]) for t, s in pairwise(steps)]


# 10. Layout of a proof


def open_envelope(seal, number):
    """The body of a proof."""
    check(seal[:18] == b"\x94\xb0" + NAME and len(seal) > 19, "malformed")
    check(seal[18] == 1, "version")
    check(seal[19] == number, "unknown-parameters")
    check(len(seal) > 20, "malformed")
    size_bytes = {0xC4: 1, 0xC5: 2, 0xC6: 4}.get(seal[20], 0)
    body = seal[21 + size_bytes :]
    check(size_bytes and len(body) == int.from_bytes(seal[21 : 21 + size_bytes], "big"), "malformed")
    check(size_bytes == (1 if len(body) < 2**8 else 2 if len(body) < 2**16 else 4), "malformed")
    return body


class Proof:
    """The parts of a proof."""

    def __init__(self, shape, body):
        stream = (int.from_bytes(body[i : i + 4], "little") for i in range(0, len(body), 4))
        elements = []

        def base(count):
            taken = list(islice(stream, count))
            check(len(taken) == count, "wrong-shape")
            elements.extend(taken)
            return taken

        def ext(count):
            return [Ext(*base(COEFFICIENTS)) for _ in range(count)]

        def digests(count):
            return [base(8) for _ in range(count)]

        def opening(rows, height):
            return rows, digests(height + shape.blowup - shape.cap)

        def query():
            trees = [opening({h: base(n) for h, n in tree.items()}, max(tree)) for tree in shape.trees if tree]
            layers = [opening({h: ext(2 ** (h - s)) for h in heights}, s) for _, s, heights in shape.layers]
            return trees, layers

        self.caps = [shape.key["fixed_cap"], *(digests(2**shape.cap) for _ in range(3))]
        self.sums = ext(len(shape.heights)) if len(shape.heights) > 1 else []
        self.at_z = [{h: ext(n) for h, n in tree.items()} for tree in shape.opened]
        self.at_next = dict(zip(shape.heights, ext(len(shape.heights)), strict=True))
        self.layer_caps = [digests(2**shape.cap) for _ in shape.layers]
        self.final = ext(2**shape.log_final)
        self.nonce = base(1)
        self.queries = [query() for _ in range(shape.key["parameters"]["queries"])]
        check(4 * len(elements) == len(body), "wrong-shape")
        check(all(x < P for x in elements), "not-canonical")


# 6. Trees


def check_opening(shape, cap, rows, siblings, position):
    """That rows, by height, stand at a position of the tallest of them under a cap."""
    heights = sorted(rows, reverse=True)
    digest = sponge(LEAF, rows[heights[0]])
    for depth, sibling in enumerate(siblings):
        digest = node(sibling, digest) if position >> depth & 1 else node(digest, sibling)
        level = heights[0] - depth - 1
        if level in heights:
            digest = node(digest, sponge(LEAF, rows[level]))
    check(digest == cap[position >> len(siblings)], "merkle-root-mismatch")


# 9. Verification


def fingerprint(alpha, betas, bus, components):
    """The fingerprint of a message."""
    return sum((beta * x for beta, x in zip(betas, [bus, *components], strict=False)), alpha)


def evaluate(chip, fixed, main):
    """The values of a chip's nodes."""
    values = []
    for op, a, b in chip["nodes"]:
        column = fixed if op == 1 else main
        values.append(Ext(a) if op == 0 else column[a] if op <= 2 else (add, sub, mul)[op - 3](values[a], values[b]))
    return values


def row_constraints(shape, proof, height, alpha, betas):
    """The C_i of a height at z (step 9)."""
    fixed, main = proof.at_z[0].get(height, []), proof.at_z[1][height]
    *helpers, running = proof.at_z[2][height]
    of_chips, of_helpers, total = [], [], Ext(0)
    columns = iter(helpers)
    for chip in shape.chips[height]:
        nodes = evaluate(chip, fixed, main)
        fixed, main = fixed[len(chip["fixed"]) :], main[len(chip["main"]) :]
        of_chips.extend(nodes[c["node"]] for c in chip["constraints"])
        messages = iter(chip["messages"])
        for size in chip["helpers"]:
            helper, numerator, denominator = next(columns), Ext(0), Ext(1)
            total = total + helper
            for _ in range(size):
                message = next(messages)
                components = [nodes[n] for n in message["components"]]
                print_ = fingerprint(alpha, betas, nodes[message["bus_node"]], components)
                numerator = numerator * print_ + denominator * nodes[message["times"]] * message["sign"]
                denominator = denominator * print_
            of_helpers.append(helper * denominator - numerator)
    return [*of_chips, *of_helpers, proof.at_next[height] - running - total]


def check_quotient(shape, proof, height, alpha, betas, lam, z, sigma):
    """Step 9 at a height."""
    p = shape.key["parameters"]
    k, b = 2**height, p["blinding"]
    running = proof.at_z[2][height][-1]
    blind = Ext(1)
    for i in range(k - b, k):
        blind = blind * (z - Ext(pow(omega(height), i, P)))
    combined, power = Ext(0), Ext(1)
    for constraint in row_constraints(shape, proof, height, alpha, betas):
        combined, power = combined + power * constraint, power * lam
    right = combined * blind / (z**k - Ext(1)) + power * running / (z - Ext(1))
    masks = proof.at_z[1][height][:COEFFICIENTS] if len(shape.heights) > 1 else []
    rho = sum((value * Ext(*[0] * i, 1) for i, value in enumerate(masks)), Ext(0))
    right = right + power * lam * (running + rho - sigma) / (z - Ext(pow(omega(height), k - b, P)))
    step, left = z ** (k - p["randomizers"]), Ext(0)
    for chunk in reversed(proof.at_z[3][height]):
        left = left * step + chunk
    check(left == right, "constraints")


def public_sum(key, public_values, alpha, betas):
    """P of step 8."""
    total = Ext(0)
    for message in key["public_messages"]:
        components = [x["constant"] if "constant" in x else public_values[x["public"]] for x in message["components"]]
        print_ = fingerprint(alpha, betas, message["bus"], components)
        check(print_ != 0, "zero-denominator")
        total = total + Ext(message["sign"]) / print_
    return total


def fold(values, log_points, first, zeta):
    """Folds neighbours, the first of them at a position of a domain, until one value is left."""
    while len(values) > 1:
        points = [point(log_points, first + i) for i in range(0, len(values), 2)]
        pairs = zip(values[::2], values[1::2], points, strict=True)
        values = [(u + v) / 2 + zeta * (u - v) / (2 * x) for u, v, x in pairs]
        log_points, first, zeta = log_points - 1, first // 2, zeta * zeta
    return values[0]


def deep_word(shape, proof, height, rows, x, z, weights, opened):
    """W_h(x) of step 10b; `opened` is the weighted sum of what is opened at z."""
    at_x = [*rows[0].get(height, []), *rows[1][height]]
    extended = rows[2][height] + rows[3][height]
    at_x += [Ext(*extended[i : i + COEFFICIENTS]) for i in range(0, len(extended), COEFFICIENTS)]
    mask, running = at_x.pop(), at_x[-1 - shape.chunks]
    total = sum((weight * value for weight, value in zip(weights[1:], at_x, strict=False)), Ext(0))
    word = weights[0] * mask + (total - opened) / (Ext(x) - z)
    last = weights[shape.functions[height] - 1] * (running - proof.at_next[height])
    return word + last / (Ext(x) - z * omega(height))


def check_query(shape, proof, index, query, z, weights, opened, zetas):
    """Step 10."""
    trees, layers = query
    for cap, (opening, siblings) in zip(filter(None, proof.caps), trees, strict=True):
        check_opening(shape, cap, opening, siblings, index >> (shape.tallest - max(opening)))
    rows = [{}] * (4 - len(trees)) + [opening for opening, _ in trees]  # no preprocessed tree: no cells of it
    words = {}
    for h in shape.heights:
        x = point(h + shape.blowup, index >> (shape.tallest - h))
        words[h] = deep_word(shape, proof, h, rows, x, z, weights, opened[h])
    expected = words[shape.tallest]
    for (t, s, within), (leaf, siblings), cap, zeta in zip(shape.layers, layers, proof.layer_caps, zetas, strict=True):
        position = index >> (shape.tallest - s)
        check_opening(shape, cap, {s: [x for h in within for x in flat(leaf[h])]}, siblings, position)
        folded = zeta**30 * words[s] if s in shape.heights else Ext(0)
        for h in within:
            size = 2 ** (h - s)
            own = leaf[h][(index >> (shape.tallest - h)) % size]
            check(own == (expected if h == t else words[h]), "fri-fold")
            word = fold(leaf[h], h + shape.blowup, position * size, zeta)
            folded = folded + zeta ** (32 - 2 * size) * word
        expected = folded
    x, value = point(shape.log_final + shape.blowup, index >> (shape.tallest - shape.log_final)), Ext(0)
    for coefficient in reversed(proof.final):
        value = value * x + coefficient
    check(value == expected, "fri-final")


def verify(key, public_values, seal, allow_toy=False):
    """Raises `Refused` unless a seal proves the circuit of an export for these public values."""
    shape, p = Shape(key), key["parameters"]
    check(allow_toy or not PARAMETER_SETS[p["number"]][-1], "unknown-parameters")
    check(len(public_values) == len(key["public_values"]) and all(0 <= x < P for x in public_values), "public-values")
    proof = Proof(shape, open_envelope(seal, p["number"]))
    # 1. to 4.
    transcript = Transcript(p)
    transcript.absorb(1, key["circuit_digest"])
    transcript.absorb(2, [chip["log_rows"] for chip in key["chips"]])
    transcript.absorb(3, list(public_values))
    transcript.absorb(4, flat(proof.caps[1]))
    alpha = transcript.challenge()
    betas = [transcript.challenge() for _ in range(shape.width + 1)]
    transcript.absorb(5, flat(proof.caps[2]))
    transcript.absorb(6, flat(proof.sums))
    lam = transcript.challenge()
    transcript.absorb(7, flat(proof.caps[3]))
    z = transcript.challenge()
    check(any(z.c[1:]), "point-in-base-field")
    # 5. to 7.
    transcript.absorb(8, flat(x for tree in proof.at_z for values in tree.values() for x in values))
    transcript.absorb(9, flat(proof.at_next.values()))
    r = [transcript.challenge() for _ in range(shape.selectors)]
    zetas = []
    for cap in proof.layer_caps:
        transcript.absorb(10, flat(cap))
        zetas.append(transcript.challenge())
    transcript.absorb(11, flat(proof.final))
    transcript.absorb(12, proof.nonce)
    check(transcript.element() % 2 ** p["grinding"] == 0, "grinding")
    indices = [transcript.element() % 2 ** (shape.tallest + shape.blowup) for _ in range(p["queries"])]
    # 8. and 9.
    public = public_sum(key, public_values, alpha, betas)
    check(not proof.sums or sum(proof.sums, public) == 0, "bus-imbalance")
    for h, sigma in zip(shape.heights, proof.sums or [Ext(0) - public], strict=True):
        check_quotient(shape, proof, h, alpha, betas, lam, z, sigma)
    # 10.
    weights = [Ext(1)]
    for challenge in r:
        weights = [w * (Ext(1) - challenge) for w in weights] + [w * challenge for w in weights]
    opened = {}
    for h in shape.heights:
        values = [x for tree in proof.at_z for x in tree.get(h, [])]
        opened[h] = sum((w * x for w, x in zip(weights[1:], values, strict=False)), Ext(0))
    for index, query in zip(indices, proof.queries, strict=True):
        check_query(shape, proof, index, query, z, weights, opened, zetas)
