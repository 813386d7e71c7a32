"""A prover in plain numpy: slow, exact, and full of places to cheat.

It is the twin of `localbento.stark.prover` (same seed, same bytes) and the base of the attacks: a test subclasses
it and overrides one step.  Heights up to 2^10 or so.
"""

import numpy as np

from localbento.air.check import evaluate_columns
from localbento.air.chip import assemble_fixed
from localbento.field import arrays
from localbento.field.babybear import P, coset_shift, inverse, root_of_unity
from localbento.field.extension import Extension
from localbento.stark.blinding import Blinding, Tree
from localbento.stark.commit import (
    Commitment,
    commit,
    evaluate_on_domain,
    extend,
    interpolate,
    interpolate_on_domain,
    powers,
    reversal,
)
from localbento.stark.keygen import VerifyingKey, fixed_rows
from localbento.stark.params import SUM_COLUMNS
from localbento.stark.proof import encode_proof
from localbento.stark.shape import TreeShape
from localbento.stark.transcript import MessageType, Transcript, prover_transcript

E = 5
SEED = bytes(range(32))


class Ext:
    """An array over F with operators, for `air.evaluate` and formulas; uint64[..., 5]."""

    def __init__(self, x):
        self.x = x

    @staticmethod
    def of(value):
        """An integer, an `Extension`, a base array or an Ext."""
        if isinstance(value, Ext):
            return value
        if isinstance(value, int | Extension):
            return Ext(arrays.ext_constant(value))
        return Ext(arrays.ext_lift(arrays.base(value)))

    def __add__(self, other):
        return Ext(arrays.add(self.x, Ext.of(other).x))

    __radd__ = __add__

    def __sub__(self, other):
        return Ext(arrays.sub(self.x, Ext.of(other).x))

    def __rsub__(self, other):
        return Ext.of(other) - self

    def __mul__(self, other):
        return Ext(arrays.ext_mul(self.x, Ext.of(other).x))

    __rmul__ = __mul__

    def inverse(self):
        return Ext(arrays.ext_inverse(self.x))


def cells(x: np.ndarray) -> np.ndarray:
    """uint64[n, 5] as five rows of cells."""
    return np.ascontiguousarray(x.T)


def at_point(coefficients: np.ndarray, z: Extension) -> list[Extension]:
    """Values at z of base polynomials, uint64[columns, k]."""
    weights = arrays.ext_powers(arrays.ext_constant(z), coefficients.shape[1])
    return [Extension.of(arrays.ext_dot(weights, row).tolist()) for row in coefficients]


def join(values: list[Extension]) -> Extension:
    """The sum of X^i f_i."""
    total = Extension.ZERO
    for value in reversed(values):
        total = total * Extension.X + value
    return total


class ReferenceProver:
    """One proof; each step is a method that an attack may override."""

    def __init__(self, key: VerifyingKey, matrices, public_values=(), seed: bytes = SEED) -> None:
        self.key, self.shape, self.params = key, key.shape, key.params
        self.public = list(public_values)
        self.blinding = Blinding(seed)
        self.matrices = [np.array(m, np.uint64) for m in matrices]
        self.transcript: Transcript[int] = prover_transcript(self.params)
        self.caps: list = []
        self.lb = self.params.log_blowup

    # -- transcript -----------------------------------------------------------------------------

    def observe(self, kind: MessageType, elements) -> None:
        """Absorb one message."""
        self.transcript.absorb(kind, [int(e) for e in elements])

    def challenge(self) -> Extension:
        return Extension.of(self.transcript.squeeze_extension())

    def challenges(self, count: int) -> list[Extension]:
        return [self.challenge() for _ in range(count)]

    def observe_cap(self, kind: MessageType, commitment: Commitment) -> None:
        self.observe(kind, [e for d in commitment.cap for e in d])

    def observe_values(self, kind: MessageType, values: list[Extension]) -> None:
        self.observe(kind, [c for v in values for c in v.coefficients])

    # -- the whole ------------------------------------------------------------------------------

    def prove(self) -> bytes:
        """The bytes of the proof."""
        self.statement()  # 1
        self.commit_main()  # 2
        self.alpha = self.challenge()
        self.betas = self.challenges(self.shape.betas)
        self.commit_bus()  # 3
        self.mix = self.challenge()
        self.commit_quotient()  # 4
        self.z = self.challenge()
        self.open()  # 5
        self.batching = self.challenges(self.shape.batch_challenges)
        self.fri()  # 6
        self.grind()  # 7
        return self.encode()

    def statement(self) -> None:
        self.observe(MessageType.CIRCUIT, self.key.circuit_digest)
        self.observe(MessageType.HEIGHTS, self.shape.log_heights)
        if self.public:
            self.observe(MessageType.PUBLIC_VALUES, self.public)

    # -- main -----------------------------------------------------------------------------------

    def blind_main(self, h: int, rows: np.ndarray) -> np.ndarray:
        """Random last rows."""
        for column in range(len(rows)):
            rows[column, -self.params.blinding :] = self.blinding.elements(Tree.MAIN, h, column, self.params.blinding)
        return rows

    def balance_masks(self) -> None:
        """The masks of the published sums add up to zero."""
        at = [(1 << h.log_rows) - self.params.blinding for h in self.shape.heights]
        for column in range(SUM_COLUMNS):
            others = [self.main[h.log_rows][column, i] for h, i in zip(self.shape.heights[:-1], at, strict=False)]
            lowest = self.shape.heights[-1].log_rows
            self.main[lowest][column, at[-1]] = (-sum(int(x) for x in others)) % P

    def commit_main(self) -> None:
        self.fixed = dict(
            zip(
                self.shape.fixed_tree.heights if self.shape.fixed_tree else (),
                [m.astype(np.uint64) for m in fixed_rows(self.shape)],
                strict=True,
            )
        )
        self.main = {
            h.log_rows: self.blind_main(h.log_rows, np.concatenate([self.matrices[c.index] for c in h.chips]))
            for h in self.shape.heights
        }
        if self.shape.has_sums:
            self.balance_masks()
        self.fixed_commitment = None
        if self.shape.fixed_tree is not None:
            self.fixed_commitment = self.commit(self.shape.fixed_tree, self.fixed)
        self.main_commitment = self.commit(self.shape.main_tree, self.main)
        self.observe_cap(MessageType.MAIN_CAP, self.main_commitment)

    def commit(self, tree: TreeShape, rows: dict[int, np.ndarray]) -> Commitment:
        return commit(tree, [extend(rows[h], self.lb) for h in tree.heights], self.lb)

    # -- bus ------------------------------------------------------------------------------------

    def fingerprint(self, values, message) -> Ext:
        f = Ext.of(self.alpha) + Ext.of(self.betas[0]) * values[message.bus_node]
        for beta, node in zip(self.betas[1:], message.components, strict=False):
            f = f + Ext.of(beta) * values[node]
        return f

    def helper_columns(self, chip) -> list[np.ndarray]:
        """uint64[k, 5] for each group, before blinding."""
        k = 1 << chip.log_rows
        fixed = assemble_fixed(chip.chip.chip, k) if chip.chip.fixed else np.zeros((0, k), np.uint32)
        values = evaluate_columns(chip.chip, fixed, self.matrices[chip.index].astype(np.uint32))
        columns = []
        for group in chip.groups:
            total = Ext(np.zeros((k, E), np.uint64))
            for m in group:
                times = np.broadcast_to(values[m.times], (k,))
                total = total + self.fingerprint(values, m).inverse() * times * m.sign
            columns.append(np.array(np.broadcast_to(total.x, (k, E))))
        return columns

    def bus_rows(self, h) -> np.ndarray:
        """uint64[cells, k]: helpers, then S, blinded."""
        k, b = 1 << h.log_rows, self.params.blinding
        helpers = [c for chip in h.chips for c in self.helper_columns(chip)]
        step = np.zeros((k, E), np.uint64)
        for column in helpers:
            step = arrays.add(step, column)
        sums = np.zeros((k, E), np.uint64)
        for row in range(k - b):
            sums[row + 1] = arrays.add(sums[row], step[row])
        rows = np.concatenate([cells(c) for c in [*helpers, sums]])
        for column in range(len(rows)):
            count = b if column < E * len(helpers) else b - 1
            rows[column, k - count :] = self.blinding.elements(Tree.BUS, h.log_rows, column, count)
        return rows

    def sigma(self, h) -> Extension:
        """S at the first blinding row, plus the mask rho."""
        row = (1 << h.log_rows) - self.params.blinding
        total = Extension.of(self.bus[h.log_rows][-E:, row].tolist())
        if not self.shape.has_sums:
            return total
        return total + Extension.of(self.main[h.log_rows][:SUM_COLUMNS, row].tolist())

    def commit_bus(self) -> None:
        self.bus = {h.log_rows: self.bus_rows(h) for h in self.shape.heights}
        self.bus_commitment = self.commit(self.shape.bus_tree, self.bus)
        self.sigmas = [self.sigma(h) for h in self.shape.heights]
        self.observe_cap(MessageType.BUS_CAP, self.bus_commitment)
        if self.shape.has_sums:
            self.observe_values(MessageType.SUMS, self.sigmas)

    # -- quotient -------------------------------------------------------------------------------

    def natural(self, rows: np.ndarray) -> np.ndarray:
        """Extended and in natural order."""
        extended = extend(rows, self.lb)
        return extended[..., reversal(extended.shape[-1].bit_length() - 1)]

    def blind_polynomial(self, log_rows: int, x: np.ndarray) -> np.ndarray:
        """Z_blind on base points."""
        k, root = 1 << log_rows, root_of_unity(log_rows)
        result = np.ones_like(x)
        for row in range(k - self.params.blinding, k):
            result = arrays.mul(result, arrays.sub(x, arrays.base(pow(root, row, P))))
        return result

    def constraint_mix(self, h) -> np.ndarray:
        """The quotient's values on D(h) in natural order, uint64[n, 5]."""
        k = 1 << h.log_rows
        n = k << self.lb
        log_n = n.bit_length() - 1
        x = arrays.mul(arrays.base(coset_shift(log_n)), powers(root_of_unity(log_n), n))
        fixed = self.natural(self.fixed[h.log_rows]) if h.fixed else np.zeros((0, n), np.uint64)
        main, bus = self.natural(self.main[h.log_rows]), self.natural(self.bus[h.log_rows])
        columns = [Ext(np.ascontiguousarray(bus[i : i + E].T)) for i in range(0, len(bus), E)]
        helpers, running = columns[:-1], columns[-1]
        own, on_helpers = [], []
        for chip in h.chips:
            values = evaluate_columns(
                chip.chip, fixed[chip.fixed_slice].astype(np.uint32), main[chip.main_slice].astype(np.uint32)
            )
            own += [Ext.of(values[c.node]) for c in chip.chip.constraints]
            for helper, group in zip(helpers[chip.helper_slice], chip.groups, strict=True):
                fs = [self.fingerprint(values, m) for m in group]
                product = helper
                for f in fs:
                    product = product * f
                for i, m in enumerate(group):
                    term = Ext.of(np.broadcast_to(values[m.times], (n,))) * m.sign
                    for j, f in enumerate(fs):
                        if j != i:
                            term = term * f
                    product = product - term
                on_helpers.append(product)
        step = Ext(np.roll(running.x, -(1 << self.lb), axis=0)) - running
        for helper in helpers:
            step = step - helper
        total, weight = Ext(np.zeros((n, E), np.uint64)), Extension.ONE
        for c in [*own, *on_helpers, step]:
            total = total + c * weight
            weight = weight * self.mix
        vanishing = arrays.sub(arrays.power(x, k), arrays.base(1))
        scale = arrays.mul(self.blind_polynomial(h.log_rows, x), arrays.inverse(vanishing))
        total = total * Ext.of(scale)
        end = arrays.base(pow(root_of_unity(h.log_rows), k - self.params.blinding, P))
        first = Ext.of(arrays.inverse(arrays.sub(x, arrays.base(1))))
        last = Ext.of(arrays.inverse(arrays.sub(x, end)))
        ending = running - self.sigmas[self.shape.heights.index(h)]
        if self.shape.has_sums:
            ending = ending + Ext(np.ascontiguousarray(main[:SUM_COLUMNS].T))
        return (total + running * weight * first + ending * (weight * self.mix) * last).x

    def quotient_coefficients(self, h) -> list[np.ndarray]:
        """Randomized chunks, each uint64[5, k], then the mask."""
        k, hq, c = 1 << h.log_rows, self.params.randomizers, self.params.chunks
        values = self.constraint_mix(h)
        n = len(values)
        whole = interpolate_on_domain(cells(values)[:, reversal(n.bit_length() - 1)])
        step = k - hq
        chunks = [np.zeros((E, k), np.uint64) for _ in range(c)]
        for i in range(c):
            end = (i + 1) * step if i < c - 1 else i * step + k
            part = whole[:, i * step : end]
            chunks[i][:, : part.shape[1]] = part
        self.overflow(h, whole[:, (c - 1) * step + k :])
        for i in range(c - 1):
            t = np.stack([self.blinding.elements(Tree.QUOTIENT, h.log_rows, E * i + j, hq) for j in range(E)]).astype(
                np.uint64
            )
            chunks[i][:, step:] = arrays.add(chunks[i][:, step:], t)
            chunks[i + 1][:, :hq] = arrays.sub(chunks[i + 1][:, :hq], t)
        return [*chunks, self.mask(h)]

    def overflow(self, h, rest: np.ndarray) -> None:
        """What does not fit the chunks: zero for a true statement."""
        assert not rest.any(), f"height 2^{h.log_rows}: the constraints do not hold"

    def mask(self, h) -> np.ndarray:
        k = 1 << h.log_rows
        return np.stack([self.blinding.elements(Tree.MASK, h.log_rows, j, k) for j in range(E)]).astype(np.uint64)

    def commit_quotient(self) -> None:
        self.quotient = {h.log_rows: np.concatenate(self.quotient_coefficients(h)) for h in self.shape.heights}
        tree = self.shape.quotient_tree
        self.quotient_commitment = commit(
            tree, [evaluate_on_domain(self.quotient[h], h + self.lb) for h in tree.heights], self.lb
        )
        self.observe_cap(MessageType.QUOTIENT_CAP, self.quotient_commitment)

    # -- openings -------------------------------------------------------------------------------

    def polynomials(self, h) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Coefficients of base columns, uint64[k], and of columns over F, uint64[5, k], as numbered."""
        bases = []
        if h.fixed:
            bases += list(interpolate(self.fixed[h.log_rows]))
        bases += list(interpolate(self.main[h.log_rows]))
        bus = interpolate(self.bus[h.log_rows])
        quotient = self.quotient[h.log_rows][: E * h.chunks]
        extensions = [m[i : i + E] for m in (bus, quotient) for i in range(0, len(m), E)]
        return bases, extensions

    def open(self) -> None:
        self.opened, self.opened_next = {}, {}
        for h in self.shape.heights:
            bases, extensions = self.polynomials(h)
            values = at_point(np.stack(bases), self.z)
            values += [join(at_point(x, self.z)) for x in extensions]
            self.opened[h.log_rows] = values
            following = self.z * root_of_unity(h.log_rows)
            self.opened_next[h.log_rows] = join(at_point(extensions[h.helpers], following))
        self.send_openings()

    def openings_in_order(self) -> list[Extension]:
        """Tree by tree, tallest height first."""
        sent, at = [], dict.fromkeys(self.opened, 0)
        for part in ("fixed", "main", "bus_columns", "chunks"):
            for h in self.shape.heights:
                start = at[h.log_rows]
                at[h.log_rows] = start + getattr(h, part)
                sent += self.opened[h.log_rows][start : at[h.log_rows]]
        return sent

    def send_openings(self) -> None:
        self.sent_at_z = self.openings_in_order()
        self.sent_at_next = [self.opened_next[h.log_rows] for h in self.shape.heights]
        self.observe_values(MessageType.OPENINGS_AT_Z, self.sent_at_z)
        self.observe_values(MessageType.OPENINGS_AT_NEXT, self.sent_at_next)

    # -- FRI ------------------------------------------------------------------------------------

    def weights(self) -> list[Extension]:
        result = [Extension.ONE]
        for r in self.batching:
            result = [w * (1 - r) for w in result] + [w * r for w in result]
        return result

    def deep_word(self, h) -> np.ndarray:
        """W_h on D(h), bit-reversed, uint64[n, 5]."""
        log_n = h.log_rows + self.lb
        order = reversal(log_n)
        x = arrays.mul(arrays.base(coset_shift(log_n)), powers(root_of_unity(log_n), 1 << log_n))[order]
        weights = self.weights()
        bases, extensions = self.polynomials(h)
        values = [Ext.of(evaluate_on_domain(b, log_n)) for b in bases]
        values += [Ext(evaluate_on_domain(e, log_n).T) for e in extensions]
        total = Ext(np.zeros((1 << log_n, E), np.uint64))
        for w, f, v in zip(weights[1:], values, self.opened[h.log_rows], strict=False):
            total = total + (f - v) * w
        word = total * (Ext.of(x) - self.z).inverse()
        mask = Ext(evaluate_on_domain(self.quotient[h.log_rows][-E:], log_n).T)
        word = word + mask * weights[0]
        following = self.z * root_of_unity(h.log_rows)
        running = values[len(bases) + h.helpers]
        last = (running - self.opened_next[h.log_rows]) * (Ext.of(x) - following).inverse()
        return (word + last * weights[h.functions - 1]).x

    def fold(self, word: np.ndarray, times: int, zeta: Extension) -> np.ndarray:
        """`times` binary folds with zeta, zeta^2, ..."""
        half = inverse(2)
        for _ in range(times):
            log_n = len(word).bit_length() - 1
            x = arrays.mul(arrays.base(coset_shift(log_n)), powers(root_of_unity(log_n), 1 << log_n))[reversal(log_n)][
                ::2
            ]
            low, high = Ext(word[::2]), Ext(word[1::2])
            odd = (low - high) * Ext.of(arrays.inverse(arrays.add(x, x)))
            word = ((low + high) * half + odd * zeta).x
            zeta = zeta * zeta
        return word

    def layer_values(self, layer, word: np.ndarray) -> list[np.ndarray]:
        """The words whose fibres a leaf holds."""
        return [word, *(self.words[h] for h in layer.between)]

    def commit_layer(self, layer, word: np.ndarray) -> Commitment:
        leaves = 1 << layer.tree.log_leaves
        parts = [w.reshape(leaves, -1) for w in self.layer_values(layer, word)]
        return commit(layer.tree, [np.ascontiguousarray(np.concatenate(parts, axis=1).T)], self.lb)

    def next_word(self, layer, word: np.ndarray, zeta: Extension) -> np.ndarray:
        result = np.zeros((1 << layer.tree.log_leaves, E), np.uint64)
        for h, w in zip(layer.heights, self.layer_values(layer, word), strict=True):
            folded = self.fold(w, h - layer.bottom, zeta)
            result = (Ext(result) + Ext(folded) * zeta ** layer.exponent(h)).x
        if layer.joins:
            joined = Ext(self.words[layer.bottom]) * zeta ** layer.exponent(layer.bottom)
            result = (Ext(result) + joined).x
        return result

    def fri(self) -> None:
        self.words = {h.log_rows: self.deep_word(h) for h in self.shape.heights}
        word = self.words[self.shape.tallest]
        self.layer_commitments: list[Commitment] = []
        for layer in self.shape.layers:
            commitment = self.commit_layer(layer, word)
            self.layer_commitments.append(commitment)
            self.observe_cap(MessageType.LAYER_CAP, commitment)
            word = self.next_word(layer, word, self.challenge())
        self.final = self.final_polynomial(word)
        self.observe_values(MessageType.FINAL_POLYNOMIAL, self.final)

    def final_polynomial(self, word: np.ndarray) -> list[Extension]:
        coefficients = interpolate_on_domain(cells(word))
        size = 1 << self.shape.log_final
        self.final_overflow(coefficients[:, size:])
        return [Extension.of(c) for c in coefficients[:, :size].T.tolist()]

    def final_overflow(self, rest: np.ndarray) -> None:
        """Coefficients beyond the final polynomial: zero for an honest prover."""
        assert not rest.any(), "the last word is not of low degree"

    # -- queries --------------------------------------------------------------------------------

    def good_nonce(self, nonce: int) -> bool:
        trial = self.transcript.copy()
        trial.absorb(MessageType.NONCE, [nonce])
        return trial.squeeze()[0] % (1 << self.params.grinding) == 0

    def grind(self) -> None:
        self.nonce = next(n for n in range(P) if self.good_nonce(n))
        self.observe(MessageType.NONCE, [self.nonce])
        self.transcript.squeeze()
        bits = self.shape.index_bits
        self.indices = [self.transcript.squeeze()[0] % (1 << bits) for _ in range(self.params.queries)]

    def head(self) -> list[int]:
        """The elements before the queries."""
        elements: list[int] = []
        for commitment in (self.main_commitment, self.bus_commitment, self.quotient_commitment):
            elements += [e for d in commitment.cap for e in d]
        sums = self.sigmas if self.shape.has_sums else []
        for value in [*sums, *self.sent_at_z, *self.sent_at_next]:
            elements += value.coefficients
        for commitment in self.layer_commitments:
            elements += [e for d in commitment.cap for e in d]
        for value in self.final:
            elements += value.coefficients
        return [*elements, self.nonce]

    def query(self, index: int) -> list[int]:
        """The elements of one query."""
        bits = self.shape.index_bits
        trees = [self.main_commitment, self.bus_commitment, self.quotient_commitment]
        if self.fixed_commitment is not None:
            trees.insert(0, self.fixed_commitment)
        return [e for tree in [*trees, *self.layer_commitments] for e in tree.opening(index, bits)]

    def elements(self) -> list[int]:
        return [*self.head(), *(e for index in self.indices for e in self.query(index))]

    def encode(self) -> bytes:
        return encode_proof(self.shape, np.array(self.elements(), np.uint64))
