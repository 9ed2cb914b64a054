"""Very many RayClusters, posted at a steady rate; then idleness with all of them; then a restart among them.

    python -m bench.crowd [--clusters 1000] [--rate 100] [--idle 60]

KubeRay's figures on the same kind of plane are in docs/benchmarks.md; compare only what ran in one hour.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bench import small_clusters
from bench.figures import circumstances, percentile, table, version
from bench.operator_cost import Cost
from bench.sightings import Sightings, watching
from bench.stage import OPERATED, Stage, open_stage
from rayctl.api.observed import ClusterView, PodView
from rayctl.api.status import Phase
from rayctl.kube.client import KubeClient
from rayctl.kube.decode import cluster_view, pod_view
from rayctl.kube.listing import Target
from rayctl.kube.resource import PODS, RAYCLUSTERS

PARALLEL = 32


@dataclass(frozen=True, slots=True)
class Crowd:
    """Seconds from the first post, unless said otherwise."""

    posted: float
    pods: float
    """Until the last pod was there."""
    running: float
    each: tuple[float, ...]
    """Of each RayCluster, from its own post to Running."""
    cost: Cost
    calls: int


def main() -> None:
    """Run it and print what it gave."""
    parser = argparse.ArgumentParser(prog="python -m bench.crowd", description="Very many RayClusters")
    parser.add_argument("--clusters", type=int, default=1000, help="of four pods (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=100, help="posts a second (default: %(default)s)")
    parser.add_argument("--idle", type=float, default=60, help="seconds (default: %(default)s)")
    flags = parser.parse_args()
    print(version(), flush=True)
    print(f"start: {circumstances()}", flush=True)
    with open_stage() as stage:
        asyncio.run(_run(stage, flags.clusters, flags.rate, flags.idle))
    print(f"end: {circumstances()}")


async def _run(stage: Stage, clusters: int, rate: float, idle: float) -> None:
    rays: Sightings[ClusterView] = Sightings(
        lambda view: view.key.name, lambda view: view.status.phase == Phase.RUNNING
    )
    pods: Sightings[PodView] = Sightings(lambda pod: pod.name, lambda pod: pod.ready)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(stage.client(PARALLEL))
        await stack.enter_async_context(
            watching(client, Target(resource=PODS, namespace=OPERATED), pod_view, pods)
        )
        await stack.enter_async_context(
            watching(client, Target(resource=RAYCLUSTERS, namespace=OPERATED), cluster_view, rays)
        )
        print(_crowd_table(clusters, await _post_all(stage, client, pods, rays, clusters, rate)), flush=True)
        await asyncio.sleep(10)  # statuses settle
        before = await stage.cost()
        began = time.monotonic()
        await asyncio.sleep(idle)
        print(_idle_table(before, await stage.cost(), time.monotonic() - began), flush=True)
        waits = await _restart(stage, client, pods)
        print(f"\nRestarted among them: {waits:.2f} s from its start to a waiting RayCluster's first pod\n")


async def _post_all(
    stage: Stage,
    client: KubeClient,
    pods: Sightings[PodView],
    rays: Sightings[ClusterView],
    clusters: int,
    rate: float,
) -> Crowd:
    posted: dict[str, float] = {}
    before = await stage.cost()
    start = time.monotonic()

    async def post(name: str, due: float) -> None:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        posted[name] = time.monotonic()
        await small_clusters.create(client, OPERATED, name)

    async with asyncio.TaskGroup() as group:
        for number in range(clusters):
            group.create_task(post(f"crowd-{number:05}", start + number / rate))
    wanted = clusters * small_clusters.PODS_EACH
    await pods.wait("all pods are there", lambda: len(pods.seen) >= wanted, timeout=900)
    await rays.wait("all are Running", lambda: len(rays.arrived) >= clusters, timeout=900)
    after = await stage.cost()
    return Crowd(
        posted=max(posted.values()) - start,
        pods=max(pods.seen.values()) - start,
        running=max(rays.arrived.values()) - start,
        each=tuple(rays.arrived[name] - at for name, at in posted.items()),
        cost=after,
        calls=after.calls_since(before).total(),
    )


async def _restart(stage: Stage, client: KubeClient, pods: Sightings[PodView]) -> float:
    """Stop the operator, post a RayCluster, start it again; return the seconds to that one's first pod."""
    stage.operator.stop()
    await small_clusters.create(client, OPERATED, "waiting")
    began = time.monotonic()
    with stage.another_operator():
        await pods.wait("its head is there", lambda: any(name.startswith("waiting") for name in pods.seen))
        return min(at for name, at in pods.seen.items() if name.startswith("waiting")) - began


def _crowd_table(clusters: int, crowd: Crowd) -> str:
    wanted = clusters * small_clusters.PODS_EACH
    rows = [
        ("all posted, s", f"{crowd.posted:.1f}"),
        ("all pods created, s", f"{crowd.pods:.1f}"),
        ("pods created/s", f"{wanted / crowd.pods:.0f}"),
        ("all RayClusters Running, s", f"{crowd.running:.1f}"),
        ("post to Running, p50, s", f"{percentile(crowd.each, 50):.1f}"),
        ("post to Running, p99, s", f"{percentile(crowd.each, 99):.1f}"),
        ("API calls a RayCluster", f"{crowd.calls / clusters:.2f}"),
        ("operator CPU, s", f"{crowd.cost.cpu_seconds:.1f}"),
        ("operator resident, peak, MiB", f"{crowd.cost.peak_mib:.0f}"),
    ]
    return table(f"{clusters} RayClusters, {wanted} pods", ("", ""), rows)


def _idle_table(before: Cost, after: Cost, seconds: float) -> str:
    calls = after.calls_since(before)
    rows = [
        ("CPU, percent of a core", f"{100 * (after.cpu_seconds - before.cpu_seconds) / seconds:.2f}"),
        ("resident, MiB", f"{after.resident_mib:.0f}"),
        ("API calls", ", ".join(f"{call}: {count}" for call, count in calls.items()) or "none"),
    ]
    return table(f"Idle for {seconds:.0f} s with all of them", ("", ""), rows)


if __name__ == "__main__":
    main()
