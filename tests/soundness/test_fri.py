"""Group B of the catalogue: words that are no codewords, folds that are no folds."""

import numpy as np
import pytest
from honest import JOINED, MANY, NO_GRINDING, attack, honest, key_of, reason, reason_of_elements
from reference_prover import E, Ext, ReferenceProver
from toy_machine import witness

from localbento.errors import Reason
from localbento.field import arrays
from localbento.field.babybear import P, coset_shift, root_of_unity
from localbento.field.extension import Extension
from localbento.stark.commit import commit, evaluate_on_domain, extend, interpolate_on_domain, powers, reversal
from localbento.stark.params import T8
from localbento.stark.proof import _pack

RNG = np.random.default_rng(3)


class Lax(ReferenceProver):
    """Cuts the final polynomial instead of noticing that it is too long."""

    def final_overflow(self, rest):
        self.cut = bool(rest.any())


def random_word(n: int) -> np.ndarray:
    return RNG.integers(0, P, (n, E), np.uint64)


@pytest.mark.parametrize("change", [-5, -1, 1, 5])
def test_b22_a_final_polynomial_with_more_or_fewer_coefficients(change):
    case = honest(NO_GRINDING, MANY)
    elements = case.elements()
    at = case.key.shape.head_elements - 1
    changed = np.delete(elements, range(at + change, at)) if change < 0 else np.insert(elements, at, [0] * change)
    proof = _pack(NO_GRINDING, changed.astype("<u4").tobytes())
    assert reason(case.key, case.public, proof) is Reason.WRONG_SHAPE


@pytest.mark.parametrize("fewer", [True, False])
def test_b23_one_layer_more_or_fewer(fewer):
    """The schedule follows from the heights: the proof has another length."""
    case = honest(NO_GRINDING, JOINED)
    shape = case.key.shape
    cap = shape.layers[0].tree.cap_elements
    at = shape.head_elements - 1 - (5 << shape.log_final) - cap
    elements = case.elements()
    changed = np.delete(elements, range(at, at + cap)) if fewer else np.insert(elements, at, elements[at : at + cap])
    assert reason(case.key, case.public, _pack(NO_GRINDING, changed.astype("<u4").tobytes())) is Reason.WRONG_SHAPE


def test_b24_a_random_function_in_the_first_layer():
    class Hacked(Lax):
        def fri(self):
            honest_word = self.deep_word
            self.deep_word = lambda h: random_word(4 << h.log_rows) if h.log_rows == 8 else honest_word(h)
            super().fri()

    assert attack(Hacked) is Reason.FRI_FOLD


def raising(extra: int):
    """Adds (x^k - 1) x^extra, zero on all rows, to the last main column of height 2^6, an unused one."""

    class Hacked(Lax):
        def polynomials(self, h):
            bases, extensions = super().polynomials(h)
            if h.log_rows == 6:
                place = h.fixed + h.main - 1
                longer = np.zeros(64 + extra + 1, np.uint64)
                longer[:64] = bases[place]
                longer[extra] = (int(longer[extra]) + P - 1) % P
                longer[64 + extra] = 1
                bases[place] = longer
            return bases, extensions

        def commit(self, tree, rows):
            if tree.name != "main":
                return super().commit(tree, rows)
            extended = [extend(rows[h], self.lb) for h in tree.heights]
            log_n = 8
            x = arrays.mul(arrays.base(coset_shift(log_n)), powers(root_of_unity(log_n), 1 << log_n))[reversal(log_n)]
            more = arrays.mul(arrays.sub(arrays.power(x, 64), arrays.base(1)), arrays.power(x, extra))
            extended[-1][-1] = arrays.add(extended[-1][-1], more)
            return commit(tree, extended, self.lb)

        def open(self):
            from reference_prover import at_point, join

            self.opened, self.opened_next = {}, {}
            for h in self.shape.heights:
                bases, extensions = self.polynomials(h)
                values = [at_point(b[None, :], self.z)[0] for b in bases]
                values += [join(at_point(x, self.z)) for x in extensions]
                self.opened[h.log_rows] = values
                following = self.z * root_of_unity(h.log_rows)
                self.opened_next[h.log_rows] = join(at_point(extensions[h.helpers], following))
            self.send_openings()

    return Hacked


def test_b25_a_column_of_degree_too_high():
    """x^(k+1) is refused; degree k passes, by the one that DEEP admits, and is harmless."""
    assert attack(raising(1), (8, 6, 6)) is Reason.FRI_FINAL
    assert attack(raising(2), (8, 6, 6)) is Reason.FRI_FINAL
    assert attack(raising(0), (8, 6, 6)) is None


def test_b22_b26_a_mask_of_degree_k():
    """All layers agree with each other; the final polynomial would need one more coefficient."""

    class Hacked(Lax):
        def commit_quotient(self):
            from localbento.stark.transcript import MessageType

            self.quotient = {h.log_rows: np.concatenate(self.quotient_coefficients(h)) for h in self.shape.heights}
            tree = self.shape.quotient_tree
            extended = [evaluate_on_domain(self.quotient[h], h + self.lb) for h in tree.heights]
            top = np.zeros((1, 1024), np.uint64)
            top[0, 256] = 1
            self.more = evaluate_on_domain(top, 10)[0]
            extended[0][-1] = arrays.add(extended[0][-1], self.more)
            self.quotient_commitment = commit(tree, extended, self.lb)
            self.observe_cap(MessageType.QUOTIENT_CAP, self.quotient_commitment)

        def deep_word(self, h):
            word = Ext(super().deep_word(h))
            if h.log_rows == 8:
                cells = np.zeros((1024, E), np.uint64)
                cells[:, 4] = self.more
                word = word + Ext(cells) * self.weights()[0]
            return word.x

    assert attack(Hacked) is Reason.FRI_FINAL


@pytest.mark.parametrize("layer", [0, 1])
def test_b27_one_element_of_a_leaf(layer):
    case = honest(NO_GRINDING, JOINED)
    shape = case.key.shape
    start = shape.head_elements + sum(t.query_elements for t in shape.trees())
    start += sum(x.tree.query_elements for x in shape.layers[:layer])
    for offset in (0, 7, shape.layers[layer].tree.widths[0] - 1):
        elements = case.elements()
        elements[start + offset] = (elements[start + offset] + 1) % P
        assert reason_of_elements(case, elements) is Reason.MERKLE_ROOT


@pytest.mark.parametrize(("step", "expected"), [(1, {Reason.FRI_FOLD}), (2, {Reason.FRI_FOLD, Reason.FRI_FINAL})])
def test_b28_a_fold_that_differs_at_some_points(step, expected):
    """At the query's own point the next layer notices, elsewhere in its fibre the fold after it does."""

    class Hacked(Lax):
        def next_word(self, layer, word, zeta):
            result = super().next_word(layer, word, zeta)
            if layer.bottom == 6:
                result[::step] = random_word(len(result) // step)
            return result

    assert attack(Hacked, JOINED) in expected


@pytest.mark.parametrize("wrong", ["shift", "order", "root"])
def test_b29_a_fold_with_wrong_points(wrong):
    class Hacked(Lax):
        def fold(self, word, times, zeta):
            for _ in range(times):
                log_n = len(word).bit_length() - 1
                shift = 1 if wrong == "shift" else coset_shift(log_n)
                root = root_of_unity(log_n)
                root = pow(root, 3, P) if wrong == "root" else root
                x = arrays.mul(arrays.base(shift), powers(root, 1 << log_n))
                x = x[::2] if wrong == "order" else x[reversal(log_n)][::2]
                low, high = Ext(word[::2]), Ext(word[1::2])
                odd = (low - high) * Ext.of(arrays.inverse(arrays.add(x, x)))
                word = ((low + high) * ((P + 1) // 2) + odd * zeta).x
                zeta = zeta * zeta
            return word

    assert attack(Hacked) is Reason.FRI_FINAL


def test_b30_b31_openings_exchanged_or_used_twice():
    case = honest(NO_GRINDING, MANY)
    shape = case.key.shape
    head, size = shape.head_elements, shape.query_elements
    assert case.prover.indices[0] != case.prover.indices[1]
    queries = case.elements()[head:].reshape(-1, size)
    for order in ([1, 0, *range(2, 8)], [0, 0, *range(2, 8)]):
        elements = np.concatenate([case.elements()[:head], queries[order].reshape(-1)])
        assert reason_of_elements(case, elements) is Reason.MERKLE_ROOT
    for count in (7, 9):
        body = np.concatenate([case.elements()[:head], np.resize(queries, (count, size)).reshape(-1)])
        proof = _pack(NO_GRINDING, body.astype("<u4").tobytes())
        assert reason(case.key, case.public, proof) is Reason.WRONG_SHAPE


def test_equal_indices_are_opened_twice_and_accepted(monkeypatch):
    """Indices are drawn with repetition."""
    from localbento.stark.native import Native

    original = Native.to_bits

    def constant(self, x):
        bits = original(self, x)
        return original(self, self.constant(77)) if isinstance(x.x, int) and x.x in drawn else bits

    case = honest(NO_GRINDING, MANY)
    fresh = ReferenceProver(case.key, case.prover.matrices, case.public)
    fresh.prove()
    transcript_values = set()
    monkeypatch.setattr(type(fresh.transcript), "squeeze", _spy(type(fresh.transcript).squeeze, transcript_values))
    again = ReferenceProver(case.key, case.prover.matrices, case.public)
    again.prove()
    drawn = transcript_values
    again.indices = [77] * 8
    monkeypatch.setattr(Native, "to_bits", constant)
    assert reason(case.key, case.public, again.encode()) is None


def _spy(squeeze, seen):
    def spied(self, count=1):
        found = squeeze(self, count)
        if count == 1 and isinstance(found[0], int):
            seen.update(found)
        return found

    return spied


def test_b33_to_b35_weights_other_than_the_verifiers():
    class Reordered(Lax):
        def weights(self):
            w = super().weights()
            w[1], w[2] = w[2], w[1]
            return w

    class Skipped(Lax):
        def weights(self):
            w = super().weights()
            w[3] = Extension.ZERO
            return w

    class NoMask(Lax):
        def weights(self):
            w = super().weights()
            w[0] = Extension.ZERO
            return w

    for hacked in (Reordered, Skipped, NoMask):
        assert attack(hacked) is Reason.FRI_FOLD


def test_b34_a_mask_committed_again_after_the_batching_challenge():
    class Hacked(Lax):
        def fri(self):
            for h in self.shape.heights:
                self.quotient[h.log_rows][-E:] = random_word(1 << h.log_rows).T
            tree = self.shape.quotient_tree
            self.quotient_commitment = commit(
                tree, [evaluate_on_domain(self.quotient[h], h + self.lb) for h in tree.heights], self.lb
            )
            self.old_cap = self.quotient_commitment.cap
            super().fri()

        def head(self):
            """Sends the cap that the transcript knows."""
            elements = super().head()
            size = self.shape.quotient_tree.cap_elements
            elements[2 * size : 3 * size] = self.first_cap
            return elements

        def observe_cap(self, kind, commitment):
            if not hasattr(self, "first_cap") and commitment.tree.name == "quotient":
                self.first_cap = [e for d in commitment.cap for e in d]
            super().observe_cap(kind, commitment)

    assert attack(Hacked) is Reason.MERKLE_ROOT


def test_b36_the_running_sum_opened_at_the_other_point():
    class Exchanged(Lax):
        def send_openings(self):
            h = self.shape.heights[0]
            place = h.fixed + h.main + h.helpers
            values = self.opened[h.log_rows]
            values[place], self.opened_next[h.log_rows] = self.opened_next[h.log_rows], values[place]
            super().send_openings()

    assert attack(Exchanged) is Reason.CONSTRAINTS


@pytest.mark.parametrize("wrong", [lambda e: 0, lambda e: e // 2, lambda e: e + 1, lambda e: 16 if e else 0])
def test_b37_heights_joined_without_their_own_powers(wrong):
    class Hacked(Lax):
        def next_word(self, layer, word, zeta):
            result = np.zeros((1 << layer.tree.log_leaves, E), np.uint64)
            for h, w in zip(layer.heights, self.layer_values(layer, word), strict=True):
                folded = self.fold(w, h - layer.bottom, zeta)
                result = (Ext(result) + Ext(folded) * zeta ** wrong(layer.exponent(h))).x
            return result

    assert attack(Hacked) is Reason.FRI_FINAL


def test_b38_the_zero_codeword_for_a_nonzero_trace():
    class Hacked(Lax):
        def deep_word(self, h):
            return np.zeros((4 << h.log_rows, E), np.uint64)

    assert attack(Hacked) is Reason.FRI_FOLD


class TestLiftedWord:
    """Why a shorter word is folded by its own fibres and never lifted (docs/protocol.md, "Layers"), at rate 1/8.

    B(y) = Q0(y) + s(y) Q2(y), s(y) a square root of y chosen at random, is far from every codeword; but the
    polynomial Q0(x^4) + x^2 Q2(x^4) of the taller domain agrees with B(x^4) at every second x.
    """

    LOW, TALL = 7, 9
    LOG_N = LOW + 3

    def word(self):
        """B on D(7), its two halves, and the lifted polynomial on D(9); bit-reversed, base values."""
        n = 1 << self.LOG_N
        halves = RNG.integers(0, P, (2, 1 << (self.LOW - 1)), np.uint64)
        q0, q2 = evaluate_on_domain(halves, self.LOG_N)
        x = arrays.mul(arrays.base(coset_shift(self.LOG_N + 2)), powers(root_of_unity(self.LOG_N + 2), 4 * n))
        x = x[reversal(self.LOG_N + 2)]
        squares = arrays.mul(x, x)
        chosen = squares[::4].copy()  # one of the two roots of each y = x^4
        flip = RNG.integers(0, 2, n).astype(bool)
        chosen[flip] = arrays.neg(chosen[flip])
        word = arrays.add(q0, arrays.mul(chosen, q2))
        lifted = arrays.add(np.repeat(q0, 4), arrays.mul(squares, np.repeat(q2, 4)))
        return word, q0, q2, lifted

    def test_lifting_is_fooled_half_of_the_time(self):
        """More than sqrt(rate): the set's queries would be worth one bit each instead of a bit and a half."""
        word, _, _, lifted = self.word()
        passes = np.repeat(word, 4) == lifted
        assert abs(float(passes.mean()) - 0.5) < 0.01
        assert float(passes.mean()) > (1 / 8) ** 0.5
        coefficients = interpolate_on_domain(lifted[None, :])[0]
        assert not coefficients[1 << self.TALL :].any(), "the lifted polynomial is a codeword"
        # No codeword is near B: one that agrees with g satisfies (g - Q0)^2 = y Q2^2, of degree < 2 k + 1.
        agreeing = interpolate_on_domain(word[None, :])[0]
        assert agreeing[1 << self.LOW :].any()
        assert (2 * (1 << self.LOW)) / (1 << self.LOG_N) < (1 / 8) ** 0.5

    @pytest.mark.parametrize("strategy", ["fold", "lift"])
    def test_our_layers_notice(self, strategy):
        """A prover with B as the mask of the lower height, that folds honestly or plays the lifted polynomial."""
        word, q0, q2, _ = self.word()
        outer = self

        class Hacked(Lax):
            def commit_quotient(self):
                from localbento.stark.transcript import MessageType

                self.quotient = {h.log_rows: np.concatenate(self.quotient_coefficients(h)) for h in self.shape.heights}
                self.quotient[outer.LOW][-E:] = 0
                tree = self.shape.quotient_tree
                extended = [evaluate_on_domain(self.quotient[h], h + self.lb) for h in tree.heights]
                extended[tree.heights.index(outer.LOW)][-E] = word
                self.quotient_commitment = commit(tree, extended, self.lb)
                self.observe_cap(MessageType.QUOTIENT_CAP, self.quotient_commitment)

            def deep_word(self, h):
                honest_part = super().deep_word(h)
                if h.log_rows != outer.LOW:
                    return honest_part
                self.honest_part = honest_part
                return (Ext(honest_part) + Ext.of(word) * self.weights()[0]).x

            def next_word(self, layer, tall, zeta):
                if strategy == "fold":
                    return super().next_word(layer, tall, zeta)
                true, self.words[outer.LOW] = self.words[outer.LOW], self.honest_part
                result = super().next_word(layer, tall, zeta)
                self.words[outer.LOW] = true
                # Of the lifted polynomial's components Q0 and Q2 at x^0 and x^2.
                weight, exponent = self.weights()[0], layer.exponent(outer.LOW)
                folded = Ext(self.fold(Ext.of(q0).x, outer.LOW - layer.bottom, zeta))
                folded = folded + Ext(self.fold(Ext.of(q2).x, outer.LOW - layer.bottom, zeta)) * zeta
                return (Ext(result) + folded * weight * zeta**exponent).x

        heights = (self.TALL, self.LOW, self.LOW)
        key = key_of(T8, heights)
        matrices, public = witness(heights)
        prover = Hacked(key, matrices, public)
        assert reason(key, public, prover.prove()) is Reason.FRI_FINAL
        assert prover.cut is (strategy == "fold")
