"""Pools: parents that run tasks, and the leases by which a dead one gives its tasks back."""

from collections.abc import Callable
from typing import Final

from localbento.service.taskdb.connection import Connected
from localbento.service.taskdb.errors import NotFoundError
from localbento.service.taskdb.rows import Lease, PoolRow

LEASE_SECONDS: Final = 30.0
"""A pool that is silent for this long has lost its tasks."""


class Pools(Connected):
    """What concerns pools: each holds one lease over all tasks that it runs."""

    def register_pool(
        self, pid: int, process_start: float, boot_id: str, host: str, *, lease_seconds: float = LEASE_SECONDS
    ) -> int:
        """Add a pool with a fresh lease; its id.

        process_start tells the process from a later one with the same number; boot_id says whose ticks these are.
        """
        with self._write():
            row = self._run(
                "insert_pool",
                pid=pid,
                process_start=process_start,
                boot_id=boot_id,
                host=host,
                now=self._clock.now(),
                lease_tick=self._clock.tick() + lease_seconds,
            )[0]
        return int(row[0])

    def heartbeat(self, pool_id: int, lease_seconds: float = LEASE_SECONDS) -> list[Lease]:
        """Renew the lease over all tasks of the pool.

        Returns: runs that are no longer its own (cancelled, timed out, taken over), each told once: stop them.
        Raises: NotFoundError when the pool has been removed, since its process was believed to be gone.
        """
        with self._write():
            if not self._run("renew_lease", pool=pool_id, lease_tick=self._clock.tick() + lease_seconds):
                raise no_pool(pool_id)
            lost = self._run("get_lost_leases", pool=pool_id)
            if lost:
                self._run("delete_lost_leases", pool=pool_id)
        return [Lease(*row) for row in lost]

    def unregister_pool(self, pool_id: int) -> list[Lease]:
        """Remove the pool; its running tasks are ready again, with no retry counted.  An unknown one is fine.

        Returns: the runs that were given back.
        """
        with self._write():
            return self._remove(pool_id)

    def list_pools(self) -> list[PoolRow]:
        """All pools."""
        return [PoolRow(*row) for row in self._run("list_pools")]

    def reap(self, alive: Callable[[PoolRow], bool]) -> list[Lease]:
        """Take tasks back from pools that are gone or silent; they are ready again, with no retry counted.

        alive: whether the pool's process still exists, in this boot of this machine.  Pools that do not are removed.
        Those that do but whose lease has expired keep their place, and learn by their next heartbeat what they lost.
        Returns: the runs that were given back.
        """
        freed: list[Lease] = []
        tick = self._clock.tick()
        # Looking at processes takes longer than a write may; what has changed meanwhile is looked at again.
        dead = {pool.id for pool in self.list_pools() if not alive(pool)}
        with self._write():
            for pool in self.list_pools():
                if pool.id in dead:
                    freed += self._remove(pool.id)
                elif pool.lease_tick < tick:
                    self._run("note_lost_leases_of_pool", pool=pool.id)
                    freed += self._give_back(pool.id)
        return freed

    def _remove(self, pool_id: int) -> list[Lease]:
        freed = self._give_back(pool_id)
        self._run("delete_lost_leases", pool=pool_id)
        self._run("delete_pool", pool=pool_id)
        return freed

    def _give_back(self, pool_id: int) -> list[Lease]:
        rows = self._run("give_back_tasks", pool=pool_id, now=self._clock.now(), skip=self._options.skip_failed_jobs)
        return [Lease(*row) for row in rows]


def no_pool(pool_id: int) -> NotFoundError:
    """There is no such pool."""
    return NotFoundError(f"pool {pool_id}: not registered (any more); register it again")
