"""The same source gives the same numbers on processors with shorter vectors and without AVX-512."""

import hashlib
import os
import subprocess
import sys

import pytest
from llvmlite import binding

from localbento_kernels.cpu import vector

PROGRAM = """
import hashlib
import numpy as np
from localbento_kernels.cpu import field, grind, merkle, ntt, poseidon2, tiles, vector

def data(count, log_rows):
    rng = np.random.default_rng(log_rows)
    t = tiles.aligned((count, 1 << log_rows, 16))
    t[:] = rng.integers(0, vector.P, t.shape, dtype=np.uint32)
    t[0, :2] = vector.P - 1
    t[0, 2:4] = 0
    return t

results = [ntt.coset_lde(data(1, bits), 2) for bits in (2, 5, 9, 14, 16)]
results += [ntt.intt(data(1, 7)), ntt.coset_intt(data(1, 8)), field.batch_inverse(data(1, 3) % 7 + np.uint32(1))]
results += [poseidon2.hash_rows(data(2, 10), 32), poseidon2.hash_pages(data(48, 0).reshape(3, 256))]
tree = merkle.build_tree([merkle.Matrix(data(2, 8), 32), merkle.Matrix(data(1, 6), 16)], 3, 2)
results += [tree.cap, np.array([grind.grind(np.arange(24, dtype=np.uint32), 8)], np.uint32)]
print(hashlib.sha256(b"".join(r.tobytes() for r in results)).hexdigest(), vector.has_feature("avx512ifma"))
"""

AVX2_FEATURES = "+64bit,+cx8,+mmx,+fxsr,+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx,+avx2,+fma,+bmi,+bmi2"
AVX512_FEATURES = f"{AVX2_FEATURES},+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx512cd"


def processor(name: str, features: str) -> dict[str, str]:
    return {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}


def run(extra: dict[str, str]) -> tuple[str, bool]:
    """The digest of all results, and whether IFMA was used."""
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **extra},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    digest, ifma = finished.stdout.split()
    return digest, ifma == "True"


@pytest.mark.skipif(not vector.has_feature("avx2"), reason="no AVX2 here")
def test_avx2_gives_the_same_numbers() -> None:
    here, ifma = run({})
    assert ifma == bool(binding.get_host_cpu_features().get("avx512ifma", False))
    assert run(processor("haswell", AVX2_FEATURES)) == (here, False)
    assert here != hashlib.sha256(b"").hexdigest()


@pytest.mark.prove
@pytest.mark.skipif(not vector.has_feature("avx512vl"), reason="no AVX-512 here")
def test_avx512_without_ifma_gives_the_same_numbers() -> None:
    assert run(processor("skylake-avx512", AVX512_FEATURES)) == (run({})[0], False)


def test_shoup_pairs() -> None:
    for w in (0, 1, vector.P - 1, 12345):
        factor, quotient = vector.shoup_pair(w)
        assert factor == w
        assert 0 <= (w << 32) - quotient * vector.P < vector.P


NEON = """
import llvmlite.binding as llvm
from llvmlite import ir
from localbento_kernels.cpu import ntt_nodes, poseidon2_emit, poseidon2_rounds

module = ir.Module("kernels")
for name, define, arguments in (
    ("absorb", poseidon2_rounds._define_next, 2),
    ("full", poseidon2_rounds._define_full, 2),
    ("partial", poseidon2_rounds._define_partial, 3),
    ("squeeze", poseidon2_rounds._define_squeeze, 2),
):
    kernel = poseidon2_emit.Kernel(module, name, arguments)
    define(kernel)
    kernel.b.ret_void()
    kernel.f.linkage = "external"
ntt_nodes._define(module, "evaluate", 4, False, False, True).linkage = "external"
ntt_nodes._define(module, "interpolate", 3, True, True, False).linkage = "external"
llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
target = llvm.Target.from_triple("aarch64-unknown-linux-gnu").create_target_machine(cpu="neoverse-n1", opt=3)
print(target.emit_assembly(llvm.parse_assembly(str(module))))
"""


def test_the_same_source_compiles_to_neon() -> None:
    """Compiled only, since there is no such processor here: vector instructions, and no call of a library."""
    finished = subprocess.run(
        [sys.executable, "-c", NEON],
        env={**os.environ, **processor("generic", "")},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    instructions = [line.split()[0] for line in finished.stdout.splitlines() if line.startswith("\t") and line.strip()]
    for wanted in ("smull", "umull", "fmla", "umin"):
        assert instructions.count(wanted) > 20, wanted
    assert "bl" not in instructions
