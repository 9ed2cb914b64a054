"""From an API server's return to the operator's first write that is right, by how long it was away.

    python -m bench.outage [--trials 10] [--away 5 30]

A RayCluster with three workers, and one operator. The first thing that the API server does when it is there
again is to delete one of the workers, for the bench; what is right from then on is to make it anew. Both
moments are those of the API server's audit log. After a short absence the leader still leads; after one that
exceeds the renew deadline it has stepped down, and is elected first.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

import orjson

from bench import small_clusters
from bench.figures import circumstances, percentile, table, version
from bench.stage import OPERATED, Stage, open_stage
from e2e.cluster import Component
from e2e.cluster.interface import UnsupportedError
from e2e.cluster.local import LocalCluster
from e2e.faults.history import requests_of
from rayctl.api.document import Document
from rayctl.api.names import LABEL_ROLE
from rayctl.kube.client import KubeClient
from rayctl.kube.errors import KubeError, NotFound
from rayctl.kube.resource import PODS, Call, Verb

NAME = "outlasting"
_AGAIN_AFTER = 0.01
_WITHIN = 120.0


def main() -> None:
    """Run all trials and print what they gave."""
    parser = argparse.ArgumentParser(prog="python -m bench.outage", description="When the API server returns")
    parser.add_argument("--trials", type=int, default=10, help="of each kind (default: %(default)s)")
    parser.add_argument(
        "--away", type=float, nargs="+", default=[5, 30], help="seconds without it (default: 5 30)"
    )
    flags = parser.parse_args()
    print(f"{version()}\nstart: {circumstances()}", flush=True)
    with open_stage() as stage:
        asyncio.run(_run(stage, flags.trials, flags.away))
    print(f"\nend: {circumstances()}")


async def _run(stage: Stage, trials: int, absences: Sequence[float]) -> None:
    bed = stage.cluster
    if not isinstance(bed, LocalCluster):
        raise UnsupportedError("an API server of one's own is needed: unset CLUSTER")
    rows = []
    async with stage.client(parallel=1) as client:
        await small_clusters.create(client, OPERATED, NAME)
        for away in absences:
            took = [await _trial(bed, client, away) for _ in range(trials)]
            row = (f"{away:g} s", str(len(took)), *(f"{percentile(took, share):.2f}" for share in (50, 99)))
            rows.append(row)
            print(f"{' | '.join(row)} ({circumstances()})", flush=True)
    columns = ("the API server was away", "trials", "p50, s", "p99, s")
    print(table("From its first answer to the first right write", columns, rows))


async def _trial(bed: LocalCluster, client: KubeClient, away: float) -> float:
    """Return the seconds between the two."""
    async with asyncio.timeout(_WITHIN):
        # Not until it is Running: KWOK leaves undone what an API server took with it.
        while len(names := _workers(bed)) < small_clusters.WORKERS:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    victim = names[0]
    bed.stop(Component.APISERVER)
    await asyncio.sleep(away)
    start = asyncio.create_task(asyncio.to_thread(bed.start, Component.APISERVER))
    await _delete(client, victim)
    await start
    async with asyncio.timeout(_WITHIN):
        while (took := _seconds_to_successor(bed, victim)) is None:  # noqa: ASYNC110
            await asyncio.sleep(1)
    return took


def _workers(bed: LocalCluster) -> list[str]:
    """Return the names of the workers that there are."""
    listed = bed.kubectl(
        "-n", OPERATED, "get", "pods", "-l", f"{LABEL_ROLE}=worker", "-o", "name", check=False
    )
    return [name.removeprefix("pod/") for name in listed.stdout.split()]


async def _delete(client: KubeClient, pod: str) -> None:
    """Delete a pod as soon as the API server does anything."""
    body: Document = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
    call = Call(verb=Verb.DELETE, resource=PODS, namespace=OPERATED, name=pod, body=body)
    async with asyncio.timeout(_WITHIN):
        while True:
            try:
                await client.send(call)
            except NotFound:
                return
            except KubeError:
                await asyncio.sleep(_AGAIN_AFTER)
            else:
                return


def _seconds_to_successor(bed: LocalCluster, deleted: str) -> float | None:
    """Return the time from a pod's deletion to the next creation of one, None where none came."""
    events = map(orjson.loads, bed.audit_log.read_bytes().splitlines())
    done = [one for one in requests_of(events, OPERATED) if one.resource == "pods" and one.effective]
    gone = next(one.completed for one in done if one.verb == "delete" and one.name == deleted)
    made = (one.received for one in done if one.verb == "create" and one.received > gone)
    return next((at - gone for at in made), None)


if __name__ == "__main__":
    main()
