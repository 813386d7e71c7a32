"""The verifier: one text over the algebra, with the numbered steps that the prover repeats.

`verify` runs it with numbers.  It raises `VerificationError` with a reason and nothing else, for any bytes at
all.  Source: docs/protocol.md, whose step numbers these are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index

from localbento.errors import Reason, VerificationError
from localbento.field.babybear import P, root_of_unity
from localbento.stark.algebra import Algebra, Base, Bit, Digest, Ext
from localbento.stark.constraints import BusChallenges, public_sum, verify_height
from localbento.stark.deep import DeepWord, Openings, batch_weights
from localbento.stark.fri import domain_point, evaluate_final, verify_layer
from localbento.stark.keygen import VerifyingKey
from localbento.stark.merkle import read_rows, verify_opening
from localbento.stark.native import Native
from localbento.stark.params import EXTENSION_DEGREE
from localbento.stark.proof import decode_proof
from localbento.stark.shape import Shape
from localbento.stark.transcript import MessageType, Transcript, initial_value


@dataclass(frozen=True, slots=True)
class Verified:
    """What a proof showed: this circuit holds for these public values."""

    circuit_digest: tuple[int, ...]
    public_values: tuple[int, ...]


def verify(
    key: VerifyingKey,
    public_values: Sequence[int],
    proof: bytes | bytearray | memoryview,
    *,
    accept_toy: bool = False,
) -> Verified:
    """Check a proof of the key's circuit for these public values.

    Raises: VerificationError, with the reason of the first check that fails.
    """
    if key.params.is_toy and not accept_toy:
        raise VerificationError(Reason.UNKNOWN_PARAMETERS, f"{key.params.name} is for tests: it proves nothing")
    public = check_public_values(key, public_values)
    elements = decode_proof(key.shape, proof)
    v = Native(elements, key.shape.head_elements)
    verify_with(v, key, [v.constant(x) for x in public])
    return Verified(key.circuit_digest, public)


def check_public_values(key: VerifyingKey, public_values: Sequence[int]) -> tuple[int, ...]:
    """The declared number of canonical integers, as plain integers.

    Raises: VerificationError(PUBLIC_VALUES).
    """
    names = key.system.public_values
    try:
        found = list(public_values)
    except TypeError as error:
        raise VerificationError(Reason.PUBLIC_VALUES, "expected a sequence of integers") from error
    if len(found) != len(names):
        raise VerificationError(Reason.PUBLIC_VALUES, f"expected {len(names)} public values, found {len(found)}")
    return tuple(_canonical(name, value) for name, value in zip(names, found, strict=True))


def _canonical(name: str, value: object) -> int:
    """A Python or numpy integer in [0, p); a boolean is none."""
    try:
        number = None if isinstance(value, bool) else index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or not 0 <= number < P:
        raise VerificationError(Reason.PUBLIC_VALUES, f"{name}: not an integer in [0, p)")
    return number


def verify_with(v: Algebra, key: VerifyingKey, public_values: Sequence[Base]) -> None:
    """The whole verification of one proof, whose elements the algebra reads.

    Everything here branches on the key's shape only.
    """
    shape, params = key.shape, key.params
    caps = 1 << params.cap
    transcript = make_transcript(v, key)

    def absorb(kind: MessageType, digests: Sequence[Digest]) -> None:
        transcript.absorb(kind, [e for d in digests for e in v.digest_elements(d)])

    def challenge() -> Ext:
        return v.extension(transcript.squeeze_extension())

    # What the prover sent before the queries, in the order of the proof.
    main_cap, bus_cap, quotient_cap = v.read_digests(caps), v.read_digests(caps), v.read_digests(caps)
    sums = [v.read_extension() for _ in shape.heights] if shape.has_sums else []
    opened_at_z = [v.read_extension() for _ in range(shape.opened_at_z)]
    opened_at_next = [v.read_extension() for _ in shape.heights]
    layer_caps = [v.read_digests(caps) for _ in shape.layers]
    final = [v.read_extension() for _ in range(1 << shape.log_final)]
    nonce = v.read_base()

    # 1. The statement: circuit, heights, public values.
    transcript.absorb(MessageType.CIRCUIT, [v.constant(e) for e in key.circuit_digest])
    transcript.absorb(MessageType.HEIGHTS, [v.constant(h) for h in shape.log_heights])
    if public_values:
        transcript.absorb(MessageType.PUBLIC_VALUES, list(public_values))

    # 2. The main columns; alpha and the betas.
    absorb(MessageType.MAIN_CAP, main_cap)
    challenges = BusChallenges(challenge(), [challenge() for _ in range(shape.betas)])

    # 3. The bus columns and the blinded sums; lambda.
    absorb(MessageType.BUS_CAP, bus_cap)
    if shape.has_sums:
        transcript.absorb(MessageType.SUMS, _cells(v, sums))
    mix = challenge()

    # 4. Quotients and masks; the out-of-domain point, which must not lie in F_p.
    absorb(MessageType.QUOTIENT_CAP, quotient_cap)
    z = challenge()
    refuse_base_field(v, z)

    # 5. Openings at z and, for the running sums, at the next row; the batching challenges.
    transcript.absorb(MessageType.OPENINGS_AT_Z, _cells(v, opened_at_z))
    transcript.absorb(MessageType.OPENINGS_AT_NEXT, _cells(v, opened_at_next))
    batching = [challenge() for _ in range(shape.batch_challenges)]

    # 6. The FRI layers, each followed by its folding challenge; the final polynomial.
    zetas: list[Ext] = []
    for cap in layer_caps:
        absorb(MessageType.LAYER_CAP, cap)
        zetas.append(challenge())
    transcript.absorb(MessageType.FINAL_POLYNOMIAL, _cells(v, final))

    # 7. Grinding, the cheap check first; the queries' indices.
    transcript.absorb(MessageType.NONCE, [nonce])
    ground = v.to_bits(transcript.squeeze()[0])[: params.grinding]
    v.assert_bits_zero(ground, Reason.GRINDING, f"{params.grinding} bits")
    indices = [v.to_bits(transcript.squeeze()[0])[: shape.index_bits] for _ in range(params.queries)]

    # 8. The buses balance: published sums and the verifier's own messages cancel.
    public = public_sum(v, shape, challenges, public_values)
    if shape.has_sums:
        total = public
        for sigma in sums:
            total = total + sigma
        v.assert_equal(total, v.extension([v.constant(0)] * EXTENSION_DEGREE), Reason.BUS_IMBALANCE, "sums")
    else:
        sums = [0 - public]

    # 9. The constraints hold at z, height by height.
    openings = split_openings(shape, opened_at_z, opened_at_next)
    powers = [v.extension([v.constant(int(i == 0)) for i in range(EXTENSION_DEGREE)])]
    for _ in range(1, max(h.constraints for h in shape.heights)):
        powers.append(powers[-1] * mix)
    for opened, sigma in zip(openings, sums, strict=True):
        verify_height(v, shape, opened, challenges, powers, sigma, z)

    # 10. Each query: opened rows, DEEP words, layers, final polynomial.
    weights = batch_weights(v, batching, max(h.functions for h in shape.heights))
    words = {o.height.log_rows: DeepWord(v, o, weights, z, z * root_of_unity(o.height.log_rows)) for o in openings}
    column_caps = [main_cap, bus_cap, quotient_cap]
    if shape.fixed_tree is not None:
        column_caps.insert(0, [v.digest(d) for d in key.fixed_cap])

    def query(bits: Sequence[Bit]) -> None:
        verify_query(v, shape, column_caps, words, layer_caps, zetas, final, bits)

    v.each_query(indices, query)


def make_transcript(v: Algebra, key: VerifyingKey) -> Transcript[Base]:
    """The transcript at its start."""
    initial = [v.constant(e) for e in initial_value(key.params)]
    return Transcript(initial, v.constant, v.permutation)


def _cells(v: Algebra, values: Sequence[Ext]) -> list[Base]:
    return [c for x in values for c in v.coefficients(x)]


def refuse_base_field(v: Algebra, z: Ext) -> None:
    """Z^p - z has an inverse exactly if z is not in F_p; the p-th power is linear in the coefficients."""
    root = pow(2, (P - 1) // EXTENSION_DEGREE, P)
    frobenius = [c * pow(root, i, P) for i, c in enumerate(v.coefficients(z))]
    v.inverse(v.extension(frobenius) - z, Reason.POINT_IN_BASE_FIELD, "the out-of-domain point")


def split_openings(shape: Shape, at_z: Sequence[Ext], at_next: Sequence[Ext]) -> list[Openings]:
    """The openings of each height.

    At z they are sent tree by tree (preprocessed, main, bus, quotient), in each the heights tallest first; so a
    height's are gathered from four places.
    """
    parts: list[list[Ext]] = [[] for _ in shape.heights]
    at = 0
    for counts in zip(*((h.fixed, h.main, h.bus_columns, h.chunks) for h in shape.heights), strict=True):
        for part, count in zip(parts, counts, strict=True):
            part += at_z[at : at + count]
            at += count
    return [
        Openings(height, part, following) for height, part, following in zip(shape.heights, parts, at_next, strict=True)
    ]


def verify_query(
    v: Algebra,
    shape: Shape,
    column_caps: Sequence[Sequence[Digest]],
    words: dict[int, DeepWord],
    layer_caps: Sequence[Sequence[Digest]],
    zetas: Sequence[Ext],
    final: Sequence[Ext],
    bits: Sequence[Bit],
) -> None:
    """One query, from the rows at its index down to the final polynomial."""
    params = shape.params
    # 10a. The rows of all trees, under their caps.
    rows: dict[str, dict[int, list[Base]]] = {}
    for tree, cap in zip(shape.trees(), column_caps, strict=True):
        opened = read_rows(v, tree)
        verify_opening(v, tree, params.log_blowup, cap, bits, opened)
        rows[tree.name] = dict(zip(tree.heights, opened, strict=True))

    # 10b. The DEEP word of each height at its point: x, x^2, x^4, ... going down.
    point = domain_point(v, shape.index_bits, bits)
    deep: dict[int, Ext] = {}
    for h in range(shape.tallest, shape.log_final, -1):
        if h in words:
            fixed = rows.get("preprocessed", {}).get(h, [])
            main = rows["main"].get(h, [])
            deep[h] = words[h].value(v, fixed, main, rows["bus"][h], rows["quotient"][h], point)
        point = point * point

    # 10c. The layers.
    word = deep[shape.tallest]
    for layer, cap, zeta in zip(shape.layers, layer_caps, zetas, strict=True):
        word = verify_layer(v, shape, layer, cap, zeta, bits, word, deep)

    # 10d. The final polynomial.
    v.assert_equal(evaluate_final(final, point), word, Reason.FRI_FINAL, "final polynomial")
