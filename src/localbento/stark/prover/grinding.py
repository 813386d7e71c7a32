"""Step 7: the smallest nonce whose challenge has enough zero bits."""

from localbento.stark.transcript import MessageType, Transcript


def grind(transcript: Transcript[int], bits: int, threads: int) -> int:
    """The smallest nonce after which the next squeezed element has `bits` low zero bits."""
    nonce = 0
    while True:
        trial = transcript.copy()
        trial.absorb(MessageType.NONCE, [nonce])
        if trial.squeeze()[0] % (1 << bits) == 0:
            return nonce
        nonce += 1
