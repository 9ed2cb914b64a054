"""Very many RayClusters, posted at a steady rate; then idleness with all of them; then a restart among them.

    python -m bench.crowd [--clusters 1000] [--rate 100] [--idle 60] [--beside-floor] [--beside-kuberay]

With --beside-kuberay the same is done to KubeRay, as it is shipped and with its limits raised, with
--beside-floor to what does no more than it must: each on a control plane of its own, one after the other.
Heads of fake nodes cannot be reached.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import orjson

from bench.contenders import FLOOR, RAYCTL, Contender, Seen, decode, kuberays
from bench.figures import circumstances, percentile, table, version
from bench.operator_cost import Spent, spent
from bench.sightings import Sightings, watching
from bench.small_clusters import PODS_EACH
from bench.stage import OPERATED, Plane, open_plane
from e2e.cluster.interface import UnsupportedError
from e2e.cluster.local import LocalCluster
from rayctl.kube.client import KubeClient
from rayctl.kube.listing import Target
from rayctl.kube.resource import PODS, Call, Verb

PARALLEL = 32
_WITHIN = 900.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """Seconds from the first post, unless said otherwise."""

    pods: float
    """Until the last pod was there."""
    running: float
    each: tuple[float, ...]
    """Of each RayCluster, from its own post until it was ready."""
    spent: Spent
    calls: int
    idle_share: float
    """Of a core, with all of them there."""
    idle_calls: int
    restart: float
    """From the operator's new start to the first pod of a RayCluster that waited for it."""


def _sightings() -> Sightings[Seen]:
    return Sightings(lambda seen: seen.metadata.name, lambda seen: seen.is_ready)


@dataclass(frozen=True, slots=True)
class _Watched:
    client: KubeClient
    contender: Contender
    rays: Sightings[Seen] = field(default_factory=_sightings)
    pods: Sightings[Seen] = field(default_factory=_sightings)

    async def post(self, name: str) -> None:
        body = self.contender.document(name)
        resource = self.contender.resource
        await self.client.send(Call(verb=Verb.CREATE, resource=resource, namespace=OPERATED, body=body))


def main() -> None:
    """Run it and print what it gave."""
    parser = argparse.ArgumentParser(prog="python -m bench.crowd", description="Very many RayClusters")
    parser.add_argument("--clusters", type=int, default=1000, help="of four pods (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=100, help="posts a second (default: %(default)s)")
    parser.add_argument("--idle", type=float, default=60, help="seconds (default: %(default)s)")
    parser.add_argument("--beside-kuberay", action="store_true", help="build and measure KubeRay as well")
    parser.add_argument("--beside-floor", action="store_true", help="measure the least that must be done")
    flags = parser.parse_args()
    print(version(), flush=True)
    contenders = [
        *(kuberays() if flags.beside_kuberay else []),
        *([FLOOR] if flags.beside_floor else []),
        RAYCTL,
    ]
    crowds = []
    for contender in contenders:
        print(f"{contender.name}: {circumstances()}", flush=True)
        with open_plane() as plane:
            crowds.append(asyncio.run(_measure(plane, contender, flags.clusters, flags.rate, flags.idle)))
    print(_table(flags.clusters, contenders, crowds))
    print(f"\nend: {circumstances()}")


async def _measure(plane: Plane, contender: Contender, clusters: int, rate: float, idle: float) -> Crowd:
    run = contender.install(plane)
    async with AsyncExitStack() as stack:
        watched = _Watched(await stack.enter_async_context(plane.client(PARALLEL)), contender)
        for resource, sightings in ((PODS, watched.pods), (contender.resource, watched.rays)):
            target = Target(resource=resource, namespace=OPERATED)
            await stack.enter_async_context(watching(watched.client, target, decode, sightings))
        with run() as pid:
            await watched.post("first")  # when that one is ready, the operator leads
            await watched.rays.wait("the first is ready", lambda: "first" in watched.rays.arrived)
            counted, before = _calls(plane, contender), spent(pid)
            start = time.monotonic()
            posted = await _post_all(watched, clusters, rate)
            everyone = 1 + clusters
            await watched.pods.wait(
                "all pods", lambda: len(watched.pods.seen) >= everyone * PODS_EACH, _WITHIN
            )
            await watched.rays.wait("all are ready", lambda: len(watched.rays.arrived) >= everyone, _WITHIN)
            after, calls = spent(pid), _calls(plane, contender) - counted
            print(f"  all are ready after {time.monotonic() - start:.0f} s", flush=True)
            await asyncio.sleep(10)  # statuses settle
            counted, settled, began = _calls(plane, contender), spent(pid), time.monotonic()
            await asyncio.sleep(idle)
            idled = spent(pid).cpu_seconds - settled.cpu_seconds
            idle_share, idle_calls = idled / (time.monotonic() - began), _calls(plane, contender) - counted
        await watched.post("waiting")
        began = time.monotonic()
        with run():
            await watched.pods.wait("its head", lambda: _first_pod(watched, "waiting-") is not None)
            restart = (_first_pod(watched, "waiting-") or began) - began
    return Crowd(
        pods=max(at for name, at in watched.pods.seen.items() if not name.startswith("waiting-")) - start,
        running=max(at for name, at in watched.rays.arrived.items() if name in posted) - start,
        each=tuple(watched.rays.arrived[name] - at for name, at in posted.items()),
        spent=Spent(after.cpu_seconds - before.cpu_seconds, after.resident_mib, after.peak_mib),
        calls=calls,
        idle_share=idle_share,
        idle_calls=idle_calls,
        restart=restart,
    )


async def _post_all(watched: _Watched, clusters: int, rate: float) -> dict[str, float]:
    """Post them all, and return when each was."""
    posted: dict[str, float] = {}
    start = time.monotonic()

    async def post(name: str, due: float) -> None:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        posted[name] = time.monotonic()
        await watched.post(name)

    async with asyncio.TaskGroup() as group:
        for number in range(clusters):
            group.create_task(post(f"crowd-{number:05}", start + number / rate))
    return posted


def _first_pod(watched: _Watched, prefix: str) -> float | None:
    return min((at for name, at in watched.pods.seen.items() if name.startswith(prefix)), default=None)


def _calls(plane: Plane, contender: Contender) -> int:
    """Return how many requests of the operator the API server has finished, by its audit log."""
    bed = plane.cluster
    if not isinstance(bed, LocalCluster):
        raise UnsupportedError("an API server of one's own is needed: unset CLUSTER")
    mark = f'"username":"{contender.user}"'.encode()
    with bed.audit_log.open("rb") as log:
        lines = (line for line in log if mark in line and line.endswith(b"\n"))
        return sum(orjson.loads(line)["stage"] == "ResponseComplete" for line in lines)


def _table(clusters: int, contenders: Sequence[Contender], crowds: Sequence[Crowd]) -> str:
    wanted = clusters * PODS_EACH
    rows = [
        ("all pods created, s", [f"{crowd.pods:.1f}" for crowd in crowds]),
        ("pods created/s", [f"{wanted / crowd.pods:.0f}" for crowd in crowds]),
        ("all RayClusters ready, s", [f"{crowd.running:.1f}" for crowd in crowds]),
        ("post to ready, p50, s", [f"{percentile(crowd.each, 50):.1f}" for crowd in crowds]),
        ("post to ready, p99, s", [f"{percentile(crowd.each, 99):.1f}" for crowd in crowds]),
        ("API calls a RayCluster", [f"{crowd.calls / clusters:.2f}" for crowd in crowds]),
        ("operator CPU, s", [f"{crowd.spent.cpu_seconds:.1f}" for crowd in crowds]),
        ("operator resident, peak, MiB", [f"{crowd.spent.peak_mib:.0f}" for crowd in crowds]),
        ("then idle: percent of a core", [f"{100 * crowd.idle_share:.2f}" for crowd in crowds]),
        ("then idle: API calls", [str(crowd.idle_calls) for crowd in crowds]),
        ("restarted: start to first pod, s", [f"{crowd.restart:.2f}" for crowd in crowds]),
    ]
    columns = ("", *(contender.name for contender in contenders))
    return table(f"{clusters} RayClusters, {wanted} pods", columns, [(name, *cells) for name, cells in rows])


if __name__ == "__main__":
    main()
