"""Autoscaling by demand, on fake heads: one cluster from 0 to many workers, and hundreds that are idle.

    python -m bench.scaling [--workers 1000] [--clusters 300] [--idle 30]

A bare client creates as many of the same pods first, in the same run, with as many calls at once as the
operator makes for one cluster by default. The heads run in this process and share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import pairwise

from bench import small_clusters
from bench.fake_heads import FakeHead, FakeHeads, fake_heads
from bench.figures import circumstances, table, version
from bench.growth import PARALLEL, bare_pods
from bench.sightings import Sightings, watching
from bench.stage import OPERATED, Stage, open_stage
from rayctl.api.observed import PodView
from rayctl.kube.client import KubeClient
from rayctl.kube.decode import pod_view
from rayctl.kube.listing import Target
from rayctl.kube.resource import PODS, RAYCLUSTERS, Call, Verb

GROWING = "growing"
_PREFIX = f"{GROWING}-ray-worker"


def main() -> None:
    """Run it once and print what it gave."""
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description="scaling by demand")
    parser.add_argument("--workers", type=int, default=1000, help="default: %(default)s")
    parser.add_argument(
        "--clusters", type=int, default=300, help="idle ones beside it (default: %(default)s)"
    )
    parser.add_argument("--idle", type=float, default=30.0, help="seconds of idleness (default: %(default)s)")
    flags = parser.parse_args()
    print(f"{version()}\n{circumstances()}", flush=True)
    with open_stage() as stage:
        asyncio.run(_run(stage, flags.workers, flags.clusters, flags.idle))


async def _run(stage: Stage, workers: int, clusters: int, idle: float) -> None:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(stage.client(PARALLEL))
        bare, _ = await bare_pods(client, workers)
        heads = await stack.enter_async_context(fake_heads())
        target = Target(resource=PODS, namespace=OPERATED)
        pods: Sightings[PodView] = Sightings(lambda pod: pod.name, lambda pod: pod.ready)
        await stack.enter_async_context(watching(client, target, pod_view, heads))
        await stack.enter_async_context(watching(client, target, pod_view, pods))
        for name in (GROWING, *(f"idle-{number}" for number in range(clusters))):
            await _post(client, name, workers if name == GROWING else 10)
        await _until(
            lambda: len(heads.of) > clusters and all(len(head.looks()) > 3 for head in heads.of.values())
        )
        scene = Scene(stage, heads, pods, workers)
        print(table(f"{clusters + 1} clusters, all idle", ("", ""), await scene.rest(idle)), flush=True)
        rows = [("bare client, pods created/s", f"{workers / bare:.0f}"), *await scene.grow(bare)]
        print(table(f"0 → {workers} workers by demand, {clusters} clusters beside it", ("", ""), rows))
    print(f"\nend: {circumstances()}")


@dataclass(frozen=True, slots=True)
class Scene:
    """A growing cluster among idle ones."""

    stage: Stage
    heads: FakeHeads
    pods: Sightings[PodView]
    workers: int

    async def rest(self, seconds: float) -> list[tuple[str, str]]:
        """Return what idleness costs."""
        before = await self.stage.cost()
        gap = await _longest_gap(self._others(), asyncio.sleep(seconds))
        after = await self.stage.cost()
        share = (after.cpu_seconds - before.cpu_seconds) / seconds
        calls = ", ".join(f"{number} {what}" for what, number in after.calls_since(before).items())
        return [
            ("operator's CPU, % of a core", f"{100 * share:.1f}"),
            ("the same for each cluster", f"{100 * share / len(self.heads.of):.3f}"),
            ("operator resident, MiB", f"{after.resident_mib:.0f}"),
            ("API calls meanwhile", calls),
            ("longest time between two looks at a head, s", f"{gap:.2f}"),
        ]

    async def grow(self, bare: float) -> list[tuple[str, str]]:
        """Return how the cluster grew and shrank; ``bare`` is what a bare client took, in seconds."""
        head = self.heads.of[GROWING]
        before = await self.stage.cost()
        start = time.monotonic()
        head.gcs.ask({"CPU": 1.0}, self.workers)
        gap = await _longest_gap(self._others(), _until(lambda: len(head.nodes) >= self.workers))
        after = await self.stage.cost()
        moments = [at - start for name, at in self.pods.seen.items() if name.startswith(_PREFIX)]
        spent = after.cpu_seconds - before.cpu_seconds
        calls = after.calls_since(before).total()
        head.rest()
        began = time.monotonic()
        await _until(lambda: not any(name.startswith(_PREFIX) for name in self.pods.there))
        return [
            ("operator, pods created/s, from the demand on", f"{self.workers / max(moments):.0f}"),
            ("operator / bare client", f"{bare / max(moments):.2f}"),
            ("from the demand to the first pod, s", f"{min(moments):.2f}"),
            ("pods made", f"{len(moments)}"),
            ("API calls a worker", f"{calls / self.workers:.3f}"),
            ("operator's CPU, s", f"{spent:.2f}"),
            ("operator resident, peak so far, MiB", f"{after.peak_mib:.0f}"),
            ("longest time between two looks at another head meanwhile, s", f"{gap:.2f}"),
            ("all tasks done: until the last worker is gone, s", f"{time.monotonic() - began:.1f}"),
        ]

    def _others(self) -> list[FakeHead]:
        return [head for name, head in self.heads.of.items() if name != GROWING]


async def _longest_gap(heads: Sequence[FakeHead], work: Awaitable[None]) -> float:
    """Return the longest time that passed between two looks at any of the heads while ``work`` was done."""
    start = time.monotonic()
    await work
    gaps = (later - sooner for head in heads for sooner, later in pairwise(head.looks(start)))
    return max(gaps, default=float("nan"))


async def _until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(600):
        while not reached():  # noqa: ASYNC110  what is waited for is spread over many objects
            await asyncio.sleep(0.05)


async def _post(client: KubeClient, name: str, most: int) -> None:
    document = small_clusters.elastic_document(name, most)
    await client.send(Call(verb=Verb.CREATE, resource=RAYCLUSTERS, namespace=OPERATED, body=document))


if __name__ == "__main__":
    main()
