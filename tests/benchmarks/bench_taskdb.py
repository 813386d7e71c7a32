"""How many claim-and-finish pairs a second several processes reach on one task database; printed, never asserted.

Run:  python tests/benchmarks/bench_taskdb.py [--processes 8] [--tasks 20000] [--finalize] [--directory DIR]
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

from localbento.service.taskdb import TaskDb


def worker(path: Path, start: Barrier, results: "multiprocessing.Queue[tuple[int, float, float, float]]") -> None:
    """Claim and finish until nothing is left: pairs, wall seconds, CPU seconds, longest pair."""
    with TaskDb(path) as db:
        pool = db.register_pool(os.getpid(), 0.0, "bench", "bench")
        start.wait()
        done, longest, began, cpu = 0, 0.0, time.monotonic(), time.process_time()
        last = began
        while (task := db.claim(pool, ("prove",), cores_limit=1000, memory_limit=1 << 40)) is not None:
            db.task_done(task.job_id, task.task_id, task.attempt, {"seconds": 1.0})
            done, now = done + 1, time.monotonic()
            longest, last = max(longest, now - last), now
        results.put((done, last - began, time.process_time() - cpu, longest))


def fill(path: Path, tasks: int, *, finalize: bool) -> float:
    """One job: init done, so many prove tasks ready, and one task that waits for all; seconds taken."""
    with TaskDb(path) as db:
        streams = [db.get_or_create_stream(kind, 0, 1.0, "bench") for kind in ("exec", "prove")]
        job = db.create_job(streams[0], {"kind": "execute"}, 0, 100, "bench")
        began = time.monotonic()
        names = [f"{i:06}" for i in range(tasks)]
        for name in names:
            refs = {"segment": (name * 10 + "0000", 1 << 20)}
            db.create_task(job, name, streams[1], {"kind": "prove"}, (), 3, 1000, inputs=refs, memory_bytes=1 << 30)
        seconds = time.monotonic() - began
        if finalize:
            db.create_task(job, "finalize", streams[0], {"kind": "finalize"}, names)
        db.update_task_done(job, "init", None)
        return seconds


def single_calls(path: Path, number: int) -> dict[str, float]:
    """Microseconds of CPU for each call, one process alone: streams, jobs, and a chain of tasks made and worked off."""
    taken = {}
    with TaskDb(path) as db:
        stream = db.create_stream("chain", 0, 1.0, "bench")
        job = db.create_job(stream, None, 0, 100, "bench")
        pool = db.register_pool(os.getpid(), 0.0, "bench", "bench")

        def measure(name: str, call: Callable[[int], object]) -> None:
            began = time.process_time()
            for i in range(number):
                call(i)
            taken[name] = (time.process_time() - began) / number * 1e6

        names = ["init", *map(str, range(number))]
        measure("create_stream", lambda i: db.create_stream("other", 0, 1.0, f"user{i}"))
        measure("create_job", lambda i: db.create_job(stream, None, 0, 100, f"user{i}"))
        measure("create_task", lambda i: db.create_task(job, names[i + 1], stream, None, [names[i]]))
        measure("progress", lambda _: db.update_task_progress(job, "init", 0.5))
        measure("heartbeat", lambda _: db.heartbeat(pool))
        db.request_work("chain")
        for other in db.list_jobs()[:-1]:
            db.cancel_job(other.id)

        def pair(i: int) -> None:
            db.update_task_done(job, names[i], None)
            db.claim(pool, ["chain"], job_id=job, cores_limit=8, memory_limit=1 << 34)

        measure("done and claim along the chain", pair)
    return taken


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--tasks", type=int, default=20000)
    parser.add_argument("--finalize", action="store_true", help="one more task waits for all others")
    parser.add_argument("--directory", type=Path, default=None, help="where the database goes; a temporary one")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(dir=arguments.directory) as folder:
        path = Path(folder) / "taskdb.sqlite"
        filling = fill(path, arguments.tasks, finalize=arguments.finalize)
        start = context.Barrier(arguments.processes)
        results = context.Queue()
        workers = [context.Process(target=worker, args=(path, start, results)) for _ in range(arguments.processes)]
        for process in workers:
            process.start()
        found = [results.get() for _ in workers]
        for process in workers:
            process.join()
        with TaskDb(path) as db:
            wrong = db.check()
        calls = single_calls(Path(folder) / "single.sqlite", 500)
    pairs, wall = sum(r[0] for r in found), max(r[1] for r in found)
    cpu, longest, shares = sum(r[2] for r in found), max(r[3] for r in found), [r[0] for r in found]
    print(f"{arguments.tasks} tasks made: {arguments.tasks / filling:.0f} a second")
    print(
        f"{arguments.processes} processes: {pairs} claim-and-finish pairs in {wall:.2f} s, {pairs / wall:.0f} a second"
    )
    print(
        f"CPU: {cpu * 1e6 / pairs:.0f} us a pair; longest {longest * 1e3:.0f} ms; shares {min(shares)} to {max(shares)}"
    )
    print("one process alone, us of CPU: " + ", ".join(f"{name} {us:.0f}" for name, us in calls.items()))
    print(f"afterwards: {wrong or 'sound'}")


if __name__ == "__main__":
    main()
