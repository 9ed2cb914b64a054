"""What the operator adds when one RayCluster is applied, and what it costs when there is nothing to do.

    python -m bench.latency [--clusters 30] [--idle 30]

Idle comes first, in a fresh operator with two settled RayClusters; these are deleted before the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bench import small_clusters
from bench.figures import circumstances, milliseconds, percentile, table, version
from bench.operator_cost import Cost
from bench.sightings import Sightings, watching
from bench.stage import BARE, OPERATED, Stage, open_stage
from rayctl.api.names import Role
from rayctl.api.observed import ClusterView, PodView
from rayctl.api.status import Phase
from rayctl.kube.client import KubeClient
from rayctl.kube.decode import cluster_view, pod_view
from rayctl.kube.listing import Target
from rayctl.kube.resource import LEASES, PODS, RAYCLUSTERS, Call, Verb

_QUIET_FOR = 5.0
_QUIET_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Applied:
    """One RayCluster's start; moments in seconds of ``time.monotonic``."""

    sent: float
    answered: float
    head: float
    """When a watch showed the head's pod."""
    last: float
    """When a watch showed the last of its pods."""
    running: float
    """When a watch showed the RayCluster Running."""


@dataclass(frozen=True, slots=True)
class View:
    """What is to be seen of a namespace."""

    client: KubeClient
    namespace: str
    pods: Sightings[PodView]
    """By RayCluster, role and ordinal, see :func:`_slot`."""
    rays: Sightings[ClusterView]
    """By name; arrived means Running."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description="One RayCluster, and none")
    parser.add_argument("--clusters", type=int, default=30, help="one after the other (default: %(default)s)")
    parser.add_argument("--idle", type=float, default=30, help="seconds (default: %(default)s)")
    flags = parser.parse_args()
    print(version(), flush=True)
    with open_stage() as stage:
        asyncio.run(_run(stage, flags.clusters, flags.idle))


async def _run(stage: Stage, clusters: int, idle: float) -> None:
    print(f"start: {circumstances()}", flush=True)
    async with stage.client(parallel=1) as client, AsyncExitStack() as stack:
        view = await _open_view(client, OPERATED, stack)
        print(await _idle(stage, view, idle), flush=True)
        print(f"\nbetween: {circumstances()}", flush=True)
        applied = [await _apply(view, f"latency-{number:03}") for number in range(clusters)]
        bare = await _bare_creates(await _open_view(client, BARE, stack), clusters)
    print(_latency_table(applied, bare))
    print(f"\nend: {circumstances()}")


async def _open_view(client: KubeClient, namespace: str, stack: AsyncExitStack) -> View:
    pods: Sightings[PodView] = Sightings(_slot, lambda pod: pod.ready)
    rays: Sightings[ClusterView] = Sightings(
        lambda ray: ray.key.name, lambda ray: ray.status.phase == Phase.RUNNING
    )
    await stack.enter_async_context(
        watching(client, Target(resource=PODS, namespace=namespace), pod_view, pods)
    )
    await stack.enter_async_context(
        watching(client, Target(resource=RAYCLUSTERS, namespace=namespace), cluster_view, rays)
    )
    return View(client, namespace, pods, rays)


def _slot(pod: PodView) -> str:
    return f"{pod.key.name}/{pod.role}/{pod.ordinal}"


def _slots(name: str) -> list[str]:
    return [f"{name}/{Role.HEAD}/0", *(f"{name}/{Role.WORKER}/{n}" for n in range(small_clusters.WORKERS))]


async def _apply(view: View, name: str) -> Applied:
    """Post a RayCluster and wait until it is Running."""
    slots = _slots(name)
    sent = time.monotonic()
    await small_clusters.create(view.client, view.namespace, name)
    answered = time.monotonic()
    await view.rays.wait(f"{name} is Running", lambda: name in view.rays.arrived)
    await view.pods.wait(f"{name} has its pods", lambda: view.pods.seen.keys() >= set(slots))
    moments = [view.pods.seen[slot] for slot in slots]
    return Applied(sent, answered, moments[0], max(moments), view.rays.arrived[name])


async def _bare_creates(view: View, count: int) -> list[float]:
    """Return seconds from a pod's request until a watch shows it: what the bed takes without an operator."""
    seconds: list[float] = []
    for number in range(count):
        name = f"bare-{number:03}"
        head = small_clusters.pods(await small_clusters.create(view.client, view.namespace, name))[0]
        sent = time.monotonic()
        await view.client.send(Call(verb=Verb.CREATE, resource=PODS, namespace=view.namespace, body=head))
        await view.pods.wait(f"{name} has a head", lambda: len(view.pods.seen) > len(seconds))
        seconds.append(view.pods.seen[_slots(name)[0]] - sent)
    return seconds


async def _idle(stage: Stage, view: View, seconds: float) -> str:
    """Return a table of what the operator costs with two settled RayClusters, and delete them."""
    for name in ("idle-1", "idle-2"):
        await _apply(view, name)
    await _wait_quiet(stage)
    began, before = time.monotonic(), await stage.cost()
    await asyncio.sleep(seconds)
    after, ended = await stage.cost(), time.monotonic()
    for name in ("idle-1", "idle-2"):
        await small_clusters.delete(view.client, view.namespace, name=name)
    await view.pods.wait("no pod is left", lambda: not view.pods.there)
    calls = after.calls_since(before)
    took = ended - began
    return table(
        f"Idle for {took:.1f} s with two settled RayClusters",
        ("", ""),
        [
            ("resident, MiB", f"{after.resident_mib:.1f}"),
            ("peak since its start, MiB", f"{after.peak_mib:.1f}"),
            ("CPU, percent of a core", f"{100 * (after.cpu_seconds - before.cpu_seconds) / took:.2f}"),
            *((f"API calls: {call}", str(count)) for call, count in calls.items()),
        ],
    )


async def _wait_quiet(stage: Stage) -> None:
    """Wait until the operator has asked the API for nothing but its lease for a while."""
    async with asyncio.timeout(_QUIET_WITHIN):
        last = _but_leases(await stage.cost())
        while True:
            await asyncio.sleep(_QUIET_FOR)
            now = _but_leases(await stage.cost())
            if now == last:
                return
            last = now


def _but_leases(cost: Cost) -> Counter[str]:
    return Counter({call: count for call, count in cost.calls.items() if str(LEASES) not in call})


def _latency_table(applied: Sequence[Applied], bare: Sequence[float]) -> str:
    rows = [
        ("RayCluster: request to answer", [one.answered - one.sent for one in applied]),
        ("answer to the head's pod", [one.head - one.answered for one in applied]),
        ("answer to the last of four pods", [one.last - one.answered for one in applied]),
        ("answer to Running", [one.running - one.answered for one in applied]),
        ("for comparison: a bare client's pod, request to watch", bare),
    ]
    return table(
        f"{len(applied)} RayClusters, one after the other",
        ("", "p50", "p95", "max"),
        [
            (name, *(milliseconds(percentile(values, percent)) for percent in (50, 95, 100)))
            for name, values in rows
        ],
    )


if __name__ == "__main__":
    main()
