"""One RayCluster from 1 to many workers and back, and a neighbour that comes in the middle of it.

    python -m bench.growth [--workers 1000] [--rounds 3]

A bare client creates as many of the same pods first, in the same run, with as many calls at once as the
operator makes for one cluster by default.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median

from bench import small_clusters
from bench.figures import circumstances, table, version
from bench.side_by_side import side_by_side
from bench.sightings import Sightings, watching
from bench.stage import BARE, OPERATED, Stage, open_stage
from rayctl.api.observed import ClusterView, PodView
from rayctl.api.status import Phase
from rayctl.kube.client import KubeClient
from rayctl.kube.decode import cluster_view, pod_view
from rayctl.kube.listing import Target
from rayctl.kube.resource import PODS, RAYCLUSTERS, Call, ContentType, Verb

PARALLEL = 8
"""Calls at once for one cluster: the operator's default (``--parallel-calls``)."""
GROWING, NEIGHBOUR = "growing", "neighbour"


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds, but for the counts."""

    bare: tuple[float, float]
    """A bare client: from its first request until its last pod was there, and until all were ready."""
    grown: tuple[float, float]
    """The operator: the same, from the edit's answer on."""
    shrunk: float
    """From the edit's answer until the last pod was gone."""
    alone: tuple[float, float]
    """A RayCluster of two pods with nothing beside it: to its first pod, to Running."""
    beside: tuple[float, float]
    """The same, created while the other one grows."""
    calls: Counter[str]
    cpu_seconds: float
    resident_mib: float


def main() -> None:
    """Run the rounds and print what they gave."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description="1 → N workers")
    parser.add_argument("--workers", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    flags = parser.parse_args()
    print(version(), flush=True)
    with open_stage() as stage:
        asyncio.run(_run(stage, flags.workers, flags.rounds))


async def _run(stage: Stage, workers: int, rounds: int) -> None:
    done = []
    async with stage.client(PARALLEL) as client:
        for number in range(rounds):
            print(f"round {number + 1}: {circumstances()}", flush=True)
            done.append(await _round(stage, client, workers))
    print(_summary(workers, done))
    print(f"\nend: {circumstances()}")


async def _round(stage: Stage, client: KubeClient, workers: int) -> Round:
    bare = await bare_pods(client, workers)
    rays: Sightings[ClusterView] = Sightings(lambda view: view.key.name, _runs)
    async with AsyncExitStack() as stack:
        pods = await stack.enter_async_context(
            watching(client, Target(resource=PODS, namespace=OPERATED), pod_view, _of_pods())
        )
        await stack.enter_async_context(
            watching(client, Target(resource=RAYCLUSTERS, namespace=OPERATED), cluster_view, rays)
        )
        await small_clusters.create(client, OPERATED, GROWING, workers=1)
        await rays.wait("it runs", lambda: GROWING in rays.arrived)
        alone = await _neighbour(client, pods, rays, "alone")
        before = await stage.cost()
        start = await _scale(client, workers)
        beside = asyncio.create_task(_late(bare[0] / 3, client, pods, rays))
        await pods.wait("all workers are ready", lambda: len(_growing(pods.arrived)) > workers)
        grown = _last(pods.seen) - start, _last(pods.arrived) - start
        timings = await beside
        after = await stage.cost()
        start = await _scale(client, 1)
        await pods.wait("one worker is left", lambda: len(_growing(pods.there)) <= 2)
        shrunk = time.monotonic() - start
        await small_clusters.delete(client, OPERATED)
        await pods.wait("no pod is left", lambda: not pods.there)
    calls = after.calls_since(before)
    cpu = after.cpu_seconds - before.cpu_seconds
    return Round(bare, grown, shrunk, alone, timings, calls, cpu, after.peak_mib)


async def bare_pods(client: KubeClient, workers: int) -> tuple[float, float]:
    """Return when a bare client's last pod was seen, and when all were ready, after its first request."""
    async with watching(client, Target(resource=PODS, namespace=BARE), pod_view, _of_pods()) as pods:
        owner = await small_clusters.create(client, BARE, "bare", workers=workers)
        manifests = small_clusters.pods(owner)
        start = time.monotonic()
        await side_by_side(
            manifests,
            lambda manifest: client.send(
                Call(verb=Verb.CREATE, resource=PODS, namespace=BARE, body=manifest)
            ),
            PARALLEL,
        )
        await pods.wait("all pods are there", lambda: len(pods.seen) >= len(manifests))
        await pods.wait("all are ready", lambda: len(pods.arrived) >= len(manifests))
        took = max(pods.seen.values()) - start, max(pods.arrived.values()) - start
        await small_clusters.delete(client, BARE)
        await pods.wait("no pod is left", lambda: not pods.there)
    return took


async def _neighbour(
    client: KubeClient, pods: Sightings[PodView], rays: Sightings[ClusterView], name: str
) -> tuple[float, float]:
    start = time.monotonic()
    await small_clusters.create(client, OPERATED, name, workers=1)
    await rays.wait(f"{name} runs", lambda: name in rays.arrived)
    first = min(moment for pod, moment in pods.seen.items() if pod.startswith(name))
    return first - start, rays.arrived[name] - start


async def _late(
    seconds: float, client: KubeClient, pods: Sightings[PodView], rays: Sightings[ClusterView]
) -> tuple[float, float]:
    await asyncio.sleep(seconds)
    return await _neighbour(client, pods, rays, NEIGHBOUR)


async def _scale(client: KubeClient, workers: int) -> float:
    """Have the growing cluster want so many workers; return the moment of the answer."""
    call = Call(
        verb=Verb.PATCH,
        resource=RAYCLUSTERS,
        namespace=OPERATED,
        name=GROWING,
        body={"spec": small_clusters.document(GROWING, workers)["spec"]},
        content_type=ContentType.MERGE,
    )
    await client.send(call)
    return time.monotonic()


def _runs(view: ClusterView) -> bool:
    return view.status.phase == Phase.RUNNING


def _of_pods() -> Sightings[PodView]:
    return Sightings(lambda pod: pod.name, lambda pod: pod.ready)


def _growing(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(GROWING)]


def _last(moments: Mapping[str, float]) -> float:
    return max(moments[name] for name in _growing(moments))


def _summary(workers: int, done: list[Round]) -> str:
    rows = [
        ("bare client, pods created/s", [workers / one.bare[0] for one in done], 0),
        ("bare client, until all are ready, s", [one.bare[1] for one in done], 1),
        ("operator, pods created/s", [(workers - 1) / one.grown[0] for one in done], 0),
        ("operator, until all are ready, s", [one.grown[1] for one in done], 1),
        ("operator / bare client: created", [one.bare[0] / one.grown[0] for one in done], 2),
        ("operator / bare client: ready", [one.bare[1] / one.grown[1] for one in done], 2),
        ("back to 1, s", [one.shrunk for one in done], 1),
        ("a neighbour alone: first pod, ms", [one.alone[0] * 1e3 for one in done], 0),
        ("a neighbour alone: Running, ms", [one.alone[1] * 1e3 for one in done], 0),
        ("beside the growing one: first pod, ms", [one.beside[0] * 1e3 for one in done], 0),
        ("beside the growing one: Running, ms", [one.beside[1] * 1e3 for one in done], 0),
        ("API calls a worker, the neighbour's included", [one.calls.total() / workers for one in done], 3),
        ("operator CPU, s", [one.cpu_seconds for one in done], 2),
        ("operator resident, peak so far, MiB", [one.resident_mib for one in done], 0),
    ]
    return table(
        f"1 → {workers} workers, {len(done)} rounds",
        ("", "median", "min", "max"),
        [
            (name, *(f"{value:.{digits}f}" for value in (median(values), min(values), max(values))))
            for name, values, digits in rows
        ],
    )


if __name__ == "__main__":
    main()
