"""What the command's process keeps from its workers, and how little it loads itself."""

import subprocess
import sys

HEAVY = ("numba", "llvmlite", "numpy", "pydantic", "rich", "sqlite3", "localbento.api", "localbento.circuits")


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_a_worker_does_not_load_the_main_module() -> None:
    program = (
        "import sys; from multiprocessing import spawn; from localbento.cli import __main__ as m\n"
        "main = sys.modules['__main__']; main.__file__ = 'script'\n"
        "keys = {'init_main_from_name', 'init_main_from_path'}\n"
        "before = keys & set(spawn.get_preparation_data('x'))\n"
        "m._hide_main_module()\n"
        "print(sorted(before), sorted(keys & set(spawn.get_preparation_data('x'))))"
    )
    assert run(program) == "['init_main_from_path'] []"


def test_a_command_loads_nothing_heavy_before_it_is_known() -> None:
    program = f"import sys, localbento.cli.__main__; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert run(program) == "[]"


def test_an_executor_loads_no_verifier_and_a_sum_of_memory_no_kernels() -> None:
    heavy = ("localbento.stark.verifier", "localbento.stark.prover.protocol", "localbento.tasks.prove")
    program = (
        "import sys, localbento.tasks.execute as e; e.warm(); e.fitting_profiles(1 << 40, 1)\n"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    assert run(program) == "[]"


def test_a_prover_loads_no_loader() -> None:
    program = "import sys, localbento.tasks.prove; print('elftools' in sys.modules)"
    assert run(program) == "False"


def test_a_warm_prover_collects_garbage_again() -> None:
    program = (
        "import gc, localbento.tasks.prove as p; p.warm(); print(gc.isenabled(), gc.get_freeze_count() > 10_000)\n"
        "gc.disable(); p.warm(); print(gc.isenabled())"
    )
    assert run(program) == "True True\nFalse"
