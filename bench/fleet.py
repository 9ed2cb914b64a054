"""Many RayClusters at once: pods a second, beside a client's that does nothing but create the same pods.

    python -m bench.fleet [--clusters 200] [--rounds 3]

In each round a bare client comes first and the operator second, on the same control plane. Both use the
operator's client layer, 32 calls at once, and the same manifests, owners included.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median

from bench import small_clusters
from bench.figures import circumstances, percentile, table, version
from bench.side_by_side import side_by_side
from bench.sightings import Sightings, watching
from bench.stage import BARE, OPERATED, Stage, open_stage
from rayctl.api.document import Document
from rayctl.api.observed import ClusterView, PodView
from rayctl.api.status import Phase
from rayctl.kube.client import KubeClient
from rayctl.kube.decode import cluster_view, pod_view
from rayctl.kube.listing import Target
from rayctl.kube.resource import PODS, RAYCLUSTERS, Call, Verb

PARALLEL = 32


@dataclass(frozen=True, slots=True)
class Bare:
    """A bare client's round: seconds from its first request."""

    created: float
    running: float


@dataclass(frozen=True, slots=True)
class Operated:
    """The operator's round. Seconds, from the first RayCluster's request unless said otherwise."""

    created: float
    """Until the last pod was there."""
    running: float
    """Until the last RayCluster was Running."""
    each: tuple[float, ...]
    """Of each RayCluster, from its own request until it was Running."""
    gone: float
    """From the request to delete all until no pod was left."""
    calls: Counter[str]
    cpu_seconds: float
    resident_mib: float
    peak_mib: float


def main() -> None:
    """Run the rounds and print what they gave."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.fleet", description="Pods a second, beside a bare client's"
    )
    parser.add_argument(
        "--clusters", type=int, default=200, help="RayClusters of four pods (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    flags = parser.parse_args()
    print(version(), flush=True)
    with open_stage() as stage:
        asyncio.run(_run(stage, flags.clusters, flags.rounds))


async def _run(stage: Stage, clusters: int, rounds: int) -> None:
    bare, operated = [], []
    async with stage.client(PARALLEL) as client:
        for number in range(rounds):
            print(f"round {number + 1}: {circumstances()}", flush=True)
            bare.append(await _bare_round(client, clusters))
            operated.append(await _operated_round(stage, client, clusters))
            print(_round_table(number + 1, clusters, bare[-1], operated[-1]), flush=True)
    print(_summary(clusters, bare, operated))
    print(_calls_table(clusters, operated[-1].calls))
    print(f"\nend: {circumstances()}")


async def _bare_round(client: KubeClient, clusters: int) -> Bare:
    async with watching(client, Target(resource=PODS, namespace=BARE), pod_view, _pod_sightings()) as pods:
        # The owners have to be there, or the garbage collector takes the pods for orphans.
        views = await side_by_side(
            _names(clusters), lambda name: small_clusters.create(client, BARE, name), PARALLEL
        )
        manifests = [manifest for view in views for manifest in small_clusters.pods(view)]
        start = time.monotonic()
        await side_by_side(manifests, lambda manifest: _create_pod(client, manifest), PARALLEL)
        await _all_arrived(pods, len(manifests))
        await small_clusters.delete(client, BARE)
        await pods.wait("no pod is left", lambda: not pods.there)
    return Bare(max(pods.seen.values()) - start, max(pods.arrived.values()) - start)


async def _operated_round(stage: Stage, client: KubeClient, clusters: int) -> Operated:
    posted: dict[str, float] = {}

    async def post(name: str) -> None:
        posted[name] = time.monotonic()
        await small_clusters.create(client, OPERATED, name)

    rays: Sightings[ClusterView] = Sightings(
        lambda view: view.key.name, lambda view: view.status.phase == Phase.RUNNING
    )
    async with AsyncExitStack() as stack:
        pods = await stack.enter_async_context(
            watching(client, Target(resource=PODS, namespace=OPERATED), pod_view, _pod_sightings())
        )
        await stack.enter_async_context(
            watching(client, Target(resource=RAYCLUSTERS, namespace=OPERATED), cluster_view, rays)
        )
        before = await stage.cost()
        await side_by_side(_names(clusters), post, PARALLEL)
        await _all_arrived(pods, clusters * small_clusters.PODS_EACH)
        await rays.wait("all RayClusters are Running", lambda: len(rays.arrived) >= clusters)
        after = await stage.cost()
        deleted = time.monotonic()
        await small_clusters.delete(client, OPERATED)
        await pods.wait("no pod is left", lambda: not pods.there)
        gone = time.monotonic() - deleted
    start = min(posted.values())
    return Operated(
        created=max(pods.seen.values()) - start,
        running=max(rays.arrived.values()) - start,
        each=tuple(rays.arrived[name] - moment for name, moment in posted.items()),
        gone=gone,
        calls=after.calls_since(before),
        cpu_seconds=after.cpu_seconds - before.cpu_seconds,
        resident_mib=after.resident_mib,
        peak_mib=after.peak_mib,
    )


def _pod_sightings() -> Sightings[PodView]:
    return Sightings(lambda pod: pod.name, lambda pod: pod.ready)


async def _all_arrived(pods: Sightings[PodView], count: int) -> None:
    await pods.wait(f"{count} pods are Ready", lambda: len(pods.arrived) >= count)
    if len(pods.seen) != count:
        raise RuntimeError(f"{len(pods.seen)} pods were made where {count} are wanted")


def _names(clusters: int) -> list[str]:
    return [f"fleet-{number:04}" for number in range(clusters)]


async def _create_pod(client: KubeClient, manifest: Document) -> None:
    await client.send(Call(verb=Verb.CREATE, resource=PODS, namespace=BARE, body=manifest))


def _round_table(number: int, clusters: int, bare: Bare, operated: Operated) -> str:
    pods = clusters * small_clusters.PODS_EACH
    rows = [
        ("bare client", f"{bare.created:.1f}", f"{pods / bare.created:.0f}", f"{bare.running:.1f}", "", ""),
        (
            "operator",
            f"{operated.created:.1f}",
            f"{pods / operated.created:.0f}",
            f"{operated.running:.1f}",
            f"{percentile(operated.each, 50):.1f}",
            f"{percentile(operated.each, 99):.1f}",
        ),
    ]
    columns = ("seconds", "all created", "pods/s", "all Running", "p50 post-Running", "p99")
    return table(f"Round {number}: {clusters} RayClusters, {pods} pods", columns, rows)


def _summary(clusters: int, bare: list[Bare], operated: list[Operated]) -> str:
    pods = clusters * small_clusters.PODS_EACH
    rows = [
        ("bare client, pods created/s", [pods / one.created for one in bare], 0),
        ("operator, pods created/s", [pods / one.created for one in operated], 0),
        (
            "operator / bare client",
            [theirs.created / mine.created for theirs, mine in zip(bare, operated, strict=True)],
            2,
        ),
        ("bare client, all pods Ready, s", [one.running for one in bare], 1),
        ("operator, all RayClusters Running, s", [one.running for one in operated], 1),
        ("post to Running, p50, s", [percentile(one.each, 50) for one in operated], 1),
        ("post to Running, p99, s", [percentile(one.each, 99) for one in operated], 1),
        ("API calls a RayCluster", [one.calls.total() / clusters for one in operated], 2),
        ("operator CPU, s", [one.cpu_seconds for one in operated], 2),
        ("operator resident, MiB", [one.resident_mib for one in operated], 0),
        ("operator resident, peak so far, MiB", [one.peak_mib for one in operated], 0),
        ("delete all to no pod left, s", [one.gone for one in operated], 1),
    ]
    return table(
        f"{clusters} RayClusters, {pods} pods, {len(bare)} rounds",
        ("", "median", "min", "max"),
        [
            (name, *(f"{value:.{digits}f}" for value in (median(values), min(values), max(values))))
            for name, values, digits in rows
        ],
    )


def _calls_table(clusters: int, calls: Counter[str]) -> str:
    rows = [(call, str(count), f"{count / clusters:.2f}") for call, count in calls.most_common()]
    return table("API calls of the operator in the last round", ("", "calls", "a RayCluster"), rows)


if __name__ == "__main__":
    main()
