"""The prover: the verifier's numbered steps, with kernels (docs/protocol.md).

Work is split over threads, and what it writes does not depend on how: the same inputs and the same secret give the
same bytes.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from localbento.errors import ProvingError
from localbento.field.babybear import P
from localbento.field.extension import DEGREE, Extension
from localbento.stark.blinding import Blinding, Tree, blinding_seed, witness_digest
from localbento.stark.proof import encode_proof
from localbento.stark.prover import bus, layers, openings, quotient, trace
from localbento.stark.prover.bus import Challenges, ZeroFingerprintError
from localbento.stark.prover.commitment import Commitment, commit, evaluate, extend
from localbento.stark.prover.grinding import fast_transcript, grind
from localbento.stark.prover.key import HeightKey, ProvingKey
from localbento.stark.prover.trace import Matrix
from localbento.stark.prover.work import Work
from localbento.stark.shape import TreeShape
from localbento.stark.transcript import MessageType, Transcript
from localbento_kernels.cpu.tiles import Words, aligned_zeros

SECRET_BYTES = 32
MAX_ATTEMPTS = 8
"""A second attempt has probability 2^-100 or so; an eighth is a bug."""


class _NextAttemptError(Exception):
    """The out-of-domain point lies in F_p, or a fingerprint is zero."""


@dataclass(frozen=True)
class Secret:
    """Where blinding comes from: 32 bytes, and which proof of a job they are used for.

    By default the bytes come from the operating system.  Given bytes make a proof reproducible and must be kept
    secret: whoever knows them can unblind it.
    """

    key: bytes = field(default_factory=lambda: secrets.token_bytes(SECRET_BYTES), repr=False)
    segment: int = 0

    def __post_init__(self) -> None:
        """Refuse anything but 32 bytes."""
        if len(self.key) != SECRET_BYTES:
            msg = f"blinding secret: expected {SECRET_BYTES} bytes, found {len(self.key)}"
            raise ProvingError(msg)


def prove(
    key: ProvingKey,
    matrices: Sequence[Matrix],
    public_values: Sequence[int],
    *,
    secret: Secret | None = None,
    threads: int = 1,
    progress: Callable[[str], None] | None = None,
    work: Work | None = None,
) -> bytes:
    """A proof that the chips' columns satisfy the key's circuit for these public values.

    Shapes: one canonical matrix uint32[main columns, rows] for each chip, as `air.chip.assemble` makes it; the last
        b rows are overwritten with blinding and must be unused.

    Raises: ProvingError if the columns do not satisfy the circuit, or do not fit it.
    """
    shape = key.key.shape
    trace.check_matrices(shape, matrices)
    if len(public_values) != len(shape.system.public_values):
        msg = f"expected {len(shape.system.public_values)} public values, found {len(public_values)}"
        raise ProvingError(msg)
    if not all(0 <= v < P for v in public_values):
        msg = "a public value is not below p"
        raise ProvingError(msg)
    secret = secret or Secret()
    work = work or Work(threads, progress)
    with work.timed("witness digest"):
        witness = witness_digest(matrices)
    for attempt in range(MAX_ATTEMPTS):
        seed = blinding_seed(
            secret.key, parameters=shape.params.digest(), circuit=key.key.circuit_digest,
            heights=shape.log_heights, public_values=public_values, witness=witness, segment=secret.segment,
            kind=shape.params.layer, attempt=attempt,
        )  # fmt: skip
        try:
            return _Prover(key, public_values, Blinding(seed), work).run(matrices)
        except (_NextAttemptError, ZeroFingerprintError):
            continue
    msg = f"no proof after {MAX_ATTEMPTS} attempts"
    raise ProvingError(msg)


class _Prover:
    """One attempt at one proof."""

    def __init__(self, key: ProvingKey, public_values: Sequence[int], blinding: Blinding, work: Work) -> None:
        self.key, self.shape, self.params = key, key.key.shape, key.key.params
        self.public_values, self.blinding, self.work = list(public_values), blinding, work
        self.transcript: Transcript[int] = fast_transcript(self.params)
        self.proof: list[NDArray[np.uint32]] = []

    def run(self, matrices: Sequence[Matrix]) -> bytes:
        """All steps."""
        work, shape = self.work, self.shape

        # 1. The statement: circuit, heights, public values.
        self.transcript.absorb(MessageType.CIRCUIT, list(self.key.key.circuit_digest))
        self.transcript.absorb(MessageType.HEIGHTS, list(shape.log_heights))
        if self.public_values:
            self.transcript.absorb(MessageType.PUBLIC_VALUES, self.public_values)

        # 2. The main columns; alpha and the betas.
        work.step("main columns")
        masks = trace.sum_masks(shape.heights, self.blinding, self.params.blinding)
        traces = [self.main_trace(h, matrices, rho) for h, rho in zip(self.key.heights, masks, strict=True)]
        main = self.commit(shape.main_tree, [extend(t, self.params.log_blowup, work) for t in traces])
        self.absorb_cap(MessageType.MAIN_CAP, main)
        challenges = Challenges(self.challenge(), tuple(self.challenge() for _ in range(shape.betas)))

        # 3. The bus columns and the blinded sums; lambda.
        work.step("bus columns")
        with work.timed("bus columns"):
            columns = [
                bus.bus_columns(h, t, challenges, self.params.blinding, work)
                for h, t in zip(self.key.heights, traces, strict=True)
            ]
        del traces
        sums = self.balanced_sums(columns, challenges, masks)
        for height, tiles in zip(self.key.heights, columns, strict=True):
            self.blind_bus(height, tiles)
        committed_bus = self.commit(shape.bus_tree, [extend(c, self.params.log_blowup, work) for c in columns])
        del columns
        self.absorb_cap(MessageType.BUS_CAP, committed_bus)
        if shape.has_sums:
            self.absorb(MessageType.SUMS, sums)
            published = self.proof.pop()
        powers = quotient.powers(self.challenge(), max(h.constraints for h in shape.heights))
        challenges = Challenges(challenges.alpha, challenges.betas, powers)

        # 4. Quotients and masks; the out-of-domain point, which must not lie in F_p.
        work.step("quotients")
        trees: list[Commitment | None] = [self.key.fixed, main, committed_bus]
        chunks = [
            self.quotient_chunks(h, trees, challenges, sigma) for h, sigma in zip(self.key.heights, sums, strict=True)
        ]
        committed_quotient = self.commit(shape.quotient_tree, chunks)
        del chunks
        trees.append(committed_quotient)
        self.absorb_cap(MessageType.QUOTIENT_CAP, committed_quotient)
        if shape.has_sums:  # in a proof all three caps stand before them
            self.proof.append(published)
        z = self.challenge()
        if z.in_base_field():
            raise _NextAttemptError

        # 5. Openings at z and, for the running sums, at the next row; the batching challenges.
        work.step("openings")
        opened, poles = [], []
        with work.timed("openings"):
            for height in self.key.heights:
                found, *both = openings.open_height(height, self.matrices(height, trees), z, work)
                opened.append(found)
                poles.append((both[0], both[1]))
        self.absorb(
            MessageType.OPENINGS_AT_Z,
            [value for tree in range(4) for height in opened for value in height.at_z[tree]],
        )
        self.absorb(MessageType.OPENINGS_AT_NEXT, [height.at_next for height in opened])
        batching = [self.challenge() for _ in range(shape.batch_challenges)]

        # 6. The FRI layers, each followed by its folding challenge; the final polynomial.
        work.step("layers")
        weights = openings.batch_weights(batching, max(h.functions for h in shape.heights))
        with work.timed("words"):
            words = {
                height.shape.log_rows: openings.deep_word(height, self.matrices(height, trees), o, weights, pole, work)
                for height, o, pole in zip(self.key.heights, opened, poles, strict=True)
            }
        committed_layers = self.fold_layers(words)

        # 7. Grinding; the queries' indices.
        work.step("queries")
        with work.timed("grinding"):
            nonce = grind(self.transcript, self.params.grinding, work.threads)
        self.absorb_elements(MessageType.NONCE, np.array([nonce], np.uint32))
        self.transcript.squeeze()
        bits = shape.index_bits
        drawn = [self.transcript.squeeze()[0] for _ in range(self.params.queries)]
        indices = np.array(drawn, np.int64) & ((1 << bits) - 1)

        # 10. Each query opens its rows in all trees and its leaves in all layers.
        opened_rows = [c.openings(indices, bits) for c in (*trees, *committed_layers) if c is not None]
        self.proof.append(np.concatenate(opened_rows, axis=1).reshape(-1))
        return encode_proof(shape, np.concatenate(self.proof))

    # ------------------------------------------------------------------------------------------- transcript

    def absorb_elements(self, kind: MessageType, elements: NDArray[np.uint32]) -> None:
        """Send one message: into the proof and into the transcript."""
        self.proof.append(elements)
        self.transcript.absorb(kind, elements.tolist())

    def absorb(self, kind: MessageType, values: Sequence[Extension]) -> None:
        """Send elements of F."""
        self.absorb_elements(kind, np.array([c for v in values for c in v.coefficients], np.uint32))

    def absorb_cap(self, kind: MessageType, committed: Commitment) -> None:
        """Send a cap."""
        self.absorb_elements(kind, committed.cap)

    def challenge(self) -> Extension:
        """The next challenge."""
        return Extension.of(self.transcript.squeeze_extension())

    def commit(self, tree: TreeShape, extended: Sequence[Words]) -> Commitment:
        """The tree over extended matrices."""
        return commit(tree, extended, self.work)

    # ------------------------------------------------------------------------------------------------ steps

    def main_trace(self, height: HeightKey, matrices: Sequence[Matrix], rho: Extension) -> Words:
        """The blinded main columns of a height."""
        shape, active = height.shape, self.shape.active_rows(height.shape.log_rows)
        with self.work.timed("layout"):
            tiles = trace.main_columns(shape, matrices, self.work)
            trace.blind(tiles, range(shape.main), active, Tree.MAIN, shape.log_rows, self.blinding)
            if self.shape.has_sums:
                trace.write_sum_mask(tiles, active, rho)
        return tiles

    def balanced_sums(
        self, columns: Sequence[Words], challenges: Challenges, masks: Sequence[Extension]
    ) -> list[Extension]:
        """The sum of each height, blinded.

        Raises: ProvingError if they do not cancel with the public messages: a message is not answered.
        """
        public = bus.public_sum(self.shape.system, challenges, self.public_values)
        totals = [bus.total(h, c, self.params.blinding) for h, c in zip(self.key.heights, columns, strict=True)]
        if not (sum(totals, Extension.ZERO) + public).is_zero():
            msg = "the buses do not balance: a message is pushed or pulled and never answered"
            raise ProvingError(msg)
        return [total + rho for total, rho in zip(totals, masks, strict=True)]

    def blind_bus(self, height: HeightKey, tiles: Words) -> None:
        """Blind helper columns from row k - b, and S from the row after its total."""
        shape, active = height.shape, self.shape.active_rows(height.shape.log_rows)
        helpers, end = DEGREE * shape.helpers, DEGREE * shape.bus_columns
        trace.blind(tiles, range(helpers), active, Tree.BUS, shape.log_rows, self.blinding)
        trace.blind(tiles, range(helpers, end), active + 1, Tree.BUS, shape.log_rows, self.blinding)

    def quotient_chunks(
        self, height: HeightKey, trees: Sequence[Commitment | None], challenges: Challenges, sigma: Extension
    ) -> Words:
        """The extended chunks and mask of a height."""
        log_rows = height.shape.log_rows
        fixed, main, committed_bus = (None if t is None else t.at(log_rows) for t in trees)
        empty = aligned_zeros(0)
        extended = quotient.Extended(
            empty if fixed is None else fixed.reshape(-1),
            empty if main is None else main.reshape(-1),
            empty if committed_bus is None else committed_bus.reshape(-1),
        )
        with self.work.timed("constraints"):
            values = quotient.quotient_values(
                height, extended, challenges, sigma, self.params, self.shape.has_sums, self.work
            )
        coefficients = quotient.chunk_coefficients(values, log_rows, self.params, self.blinding, self.work)
        del values
        return evaluate(coefficients, self.params.log_blowup, self.work)

    def matrices(self, height: HeightKey, trees: Sequence[Commitment | None]) -> list[openings.Matrix | None]:
        """The four extended matrices of a height."""
        tiles = [None if t is None else t.at(height.shape.log_rows) for t in trees]
        return openings.height_matrices(height.shape, tiles)

    def fold_layers(self, words: dict[int, Words]) -> list[Commitment]:
        """Commit and fold down to the final polynomial; the words are used up."""
        committed, log_blowup = [], self.params.log_blowup
        for layer in self.shape.layers:
            with self.work.timed("leaves"):
                tiles = layers.leaves(layer, log_blowup, words, self.work)
            made = self.commit(layer.tree, [tiles])
            committed.append(made)
            self.absorb_cap(MessageType.LAYER_CAP, made)
            zeta = self.challenge()
            with self.work.timed("folding"):
                folded = layers.next_word(layer, log_blowup, words, zeta, self.work)
            for height in (*layer.heights, layer.bottom):
                words.pop(height, None)
            words[layer.bottom] = folded
        final = layers.final_polynomial(words[self.shape.log_final], self.shape.log_final)
        self.absorb_elements(MessageType.FINAL_POLYNOMIAL, final)
        return committed
