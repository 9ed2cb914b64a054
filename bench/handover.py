"""From the end of a leader to the first write of the next one: told to end, killed, and killed unseen.

    python -m bench.handover [--trials 50] [--clusters 0 1000]

Two replicas as processes on a real API server. The first write is the Event by which the next leader says
that it leads; it is made behind the barrier, like all its others, and is seen here by a watch. Of a kill that
is *seen* the bench itself writes what a kubelet writes into the pod's status, at once: a kubelet takes about
a second to find out. Of one that is *unseen* nobody says anything, and the lease has to run out.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from enum import StrEnum
from itertools import count

import msgspec

from bench import small_clusters
from bench.figures import circumstances, percentile, table, version
from bench.side_by_side import side_by_side
from bench.sightings import Sightings, watching
from bench.stage import OPERATED, Plane, open_plane
from e2e.election.replicas import Replica
from e2e.namespace import Namespace
from rayctl.api.observed import ClusterView
from rayctl.api.status import Phase
from rayctl.kube.client import KubeClient
from rayctl.kube.decode import Meta, Wire, cluster_view, read
from rayctl.kube.listing import Target
from rayctl.kube.resource import EVENTS, PODS, RAYCLUSTERS, Call, ContentType, Verb
from rayctl.manager.signs import REASON

PARALLEL = 32
DURATIONS = {
    "15/10/2 s": (),
    "1/0.7/0.2 s": ("--lease-duration=1", "--renew-deadline=0.7", "--retry-period=0.2"),
}
"""Lease, renew deadline, retry period: the defaults, and about the fastest that can be."""
_PHASE = 2.0
"""Seconds. A leader ends at any time between two renewals."""


class End(StrEnum):
    """How a leader ends."""

    TOLD = "SIGTERM"
    SEEN = "SIGKILL, seen"
    UNSEEN = "SIGKILL, unseen"


class Announcement(msgspec.Struct, frozen=True, rename="camel"):
    """An Event that says who leads."""

    metadata: Meta = Meta()
    reporting_instance: str = ""

    @property
    def resource_version(self) -> int:
        """The object's version."""
        return self.metadata.version


def announcement(body: Wire) -> Announcement:
    """Return an Event, as far as it is read here."""
    return read(body, Announcement)


def main() -> None:
    """Run all trials and print what they gave."""
    parser = argparse.ArgumentParser(prog="python -m bench.handover", description="From leader to leader")
    parser.add_argument("--trials", type=int, default=50, help="of each kind (default: %(default)s)")
    parser.add_argument(
        "--clusters", type=int, nargs="+", default=[0, 1000], help="in the cache (default: 0 1000)"
    )
    flags = parser.parse_args()
    print(f"{version()}\nstart: {circumstances()}", flush=True)
    with open_plane() as plane:
        asyncio.run(_run(plane, flags.trials, sorted(flags.clusters)))
    print(f"\nend: {circumstances()}")


async def _run(plane: Plane, trials: int, sizes: Sequence[int]) -> None:
    space = Namespace(plane.cluster, OPERATED, plane.folder, plane.kubeconfig)
    told: Sightings[Announcement] = Sightings(lambda event: event.reporting_instance, lambda _: True)
    leads = Target(resource=EVENTS, namespace=OPERATED, fields=f"reason={REASON}")
    rows, there = [], 0
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(plane.client(PARALLEL))
        await stack.enter_async_context(watching(client, leads, announcement, told))
        bench = _Bench(space, client, told)
        for size in sizes:
            await bench.fill(there, size)
            there = size
            for durations, flags in DURATIONS.items():
                for end in End:
                    took = await bench.trials(end, flags, trials)
                    seconds = [
                        f"{percentile(took, 50):.3f}",
                        f"{percentile(took, 99):.3f}",
                        f"{min(took):.3f}",
                    ]
                    rows.append((end, durations, str(size), str(len(took)), *(seconds if took else "---")))
                    print(f"{' | '.join(rows[-1])} ({circumstances()})", flush=True)
    columns = ("the leader's end", "durations", "RayClusters", "trials", "p50, s", "p99, s", "least, s")
    print(table("To the next leader's first write", columns, rows))


class _Bench:
    """One leader after the other."""

    def __init__(self, space: Namespace, client: KubeClient, told: Sightings[Announcement]) -> None:
        self._space = space
        self._client = client
        self._told = told
        self._names = (f"replica-{number}" for number in count())
        self._alive: list[Replica] = []

    async def fill(self, there: int, size: int) -> None:
        """Have so many RayClusters of four pods, all of which run."""
        if size == there:
            return
        leader = await self._start(())
        rays: Sightings[ClusterView] = Sightings(
            lambda view: view.key.name, lambda view: view.status.phase == Phase.RUNNING
        )
        every = Target(resource=RAYCLUSTERS, namespace=OPERATED)
        names = [f"handed-{number:04}" for number in range(there, size)]
        async with watching(self._client, every, cluster_view, rays):
            await side_by_side(
                names, lambda name: small_clusters.create(self._client, OPERATED, name), PARALLEL
            )
            await rays.wait("all RayClusters are Running", lambda: len(rays.arrived) >= size, 900)
        await self._finish(leader)

    async def trials(self, end: End, flags: tuple[str, ...], number: int) -> list[float]:
        """Return the seconds of so many changes of leadership, or of fewer where one did not come about."""
        took: list[float] = []
        try:
            leader = await self._start(flags)
            await self._lead(leader)
            for _ in range(number):
                standby = await self._start(flags)
                await asyncio.sleep(random.uniform(0, _PHASE))
                began = time.monotonic()
                leader.process.send(signal.SIGTERM if end is End.TOLD else signal.SIGKILL)
                if end is End.SEEN:
                    await self._report(leader)
                await self._lead(standby)
                took.append(self._told.seen[standby.identity] - began)
                await self._finish(leader)
                leader = standby
        except TimeoutError as error:
            print(f"given up: {error}", flush=True)
        finally:
            for replica in tuple(self._alive):
                await self._finish(replica)
        return took

    async def _start(self, flags: tuple[str, ...]) -> Replica:
        replica = await asyncio.to_thread(Replica, self._space, next(self._names), *flags)
        self._alive.append(replica)
        async with asyncio.timeout(120):
            while not await asyncio.to_thread(replica.ready):  # noqa: ASYNC110  a page tells nobody
                await asyncio.sleep(0.1)
        return replica

    async def _lead(self, replica: Replica) -> None:
        await self._told.wait(
            f"{replica.name} leads", lambda: replica.identity in self._told.seen, timeout=60
        )

    async def _report(self, replica: Replica) -> None:
        call = Call(
            verb=Verb.PATCH,
            resource=PODS,
            namespace=OPERATED,
            name=replica.name,
            subresource="status",
            body=replica.ended(),
            content_type=ContentType.MERGE,
        )
        await self._client.send(call)

    async def _finish(self, replica: Replica) -> None:
        self._alive.remove(replica)
        await asyncio.to_thread(replica.process.stop)
        call = Call(verb=Verb.DELETE, resource=PODS, namespace=OPERATED, name=replica.name)
        await self._client.send(call)


if __name__ == "__main__":
    main()
