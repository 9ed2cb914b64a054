"""``rayctl autoscaler NAME``: what a cluster is scaled to, and why; or what would come of a demand."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain

from rayctl.api.document import SpecError
from rayctl.api.names import Role
from rayctl.api.observed import ClusterView
from rayctl.api.quantity import parse_quantity
from rayctl.api.raycluster import RayCluster
from rayctl.api.status import ConditionType
from rayctl.cli.exits import Exit
from rayctl.clock import SystemClock
from rayctl.core.autoscale.demand import GRAIN, Demand
from rayctl.core.autoscale.offer import offer_of
from rayctl.core.autoscale.what_if import Prospect, prospect_of
from rayctl.core.autoscale.wording import shape_text
from rayctl.core.build.fingerprint import fingerprint
from rayctl.kube.client import KubeClient
from rayctl.kube.config import Connection, Source
from rayctl.kube.decode import cluster_view
from rayctl.kube.errors import KubeError, NoConfiguration, NotFound
from rayctl.kube.resource import RAYCLUSTERS, Call, Verb

_AMOUNT = re.compile(r"(?P<name>[^=\s]+)=(?P<amount>\S+)")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("name", metavar="NAME", help="name of the RayCluster")
    parser.add_argument("-n", "--namespace", help="its namespace (default: that of the kubeconfig's context)")
    parser.add_argument("--kubeconfig", help="a kubeconfig file (default: kubectl's)")
    parser.add_argument("--context", help="the kubeconfig's context to use")
    parser.add_argument(
        "--explain",
        metavar="RESOURCE=AMOUNT[,...]",
        type=_demand,
        help="say why each pod type would be started for such a task, or not: --explain CPU=8,GPU=1 "
        "(what is there now is taken to be full)",
    )


def run(flags: argparse.Namespace) -> Exit:
    """Print the page."""
    try:
        view = asyncio.run(_read(flags))
    except NoConfiguration as error:
        return _fail(str(error), Exit.USAGE)
    except NotFound as error:
        return _fail(str(error), Exit.NOT_FOUND)
    except KubeError as error:
        return _fail(str(error), Exit.FAILED)
    if isinstance(view.spec, SpecError):
        return _fail(f"the spec of {flags.name} cannot be understood: {view.spec}", Exit.FAILED)
    lines = _explained(view, view.spec, flags.explain) if flags.explain else _page(view, view.spec)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return Exit.DONE


def _fail(text: str, code: Exit) -> Exit:
    sys.stderr.write(f"rayctl autoscaler: {text}\n")
    return code


async def _read(flags: argparse.Namespace) -> ClusterView:
    clock = SystemClock()
    connection = await Connection.open(Source(flags.kubeconfig, flags.context), clock)
    async with KubeClient(connection, clock, identity="autoscaler") as client:
        namespace = flags.namespace or connection.namespace
        call = Call(verb=Verb.GET, resource=RAYCLUSTERS, namespace=namespace, name=flags.name)
        return cluster_view(await client.send(call))


def _demand(text: str) -> Demand:
    shape: dict[str, int] = {}
    for part in text.split(","):
        found = _AMOUNT.fullmatch(part.strip())
        amount = None
        if found is not None:
            with suppress(ValueError):
                amount = int(parse_quantity(found["amount"]) * GRAIN)
        if found is None or amount is None or amount <= 0:
            raise argparse.ArgumentTypeError(
                f"{part!r} is no amount of a resource; write such as CPU=8,GPU=1"
            )
        shape[found["name"]] = amount
    return Demand(tuple(sorted(shape.items())), 1)


def _explained(view: ClusterView, cluster: RayCluster, demand: Demand) -> Iterator[str]:
    offers = [
        offer_of(cluster, kind, fingerprint(cluster, kind, Role.WORKER), None) for kind in cluster.pod_types
    ]
    there = {kind.name: max(kind.running, kind.desired) for kind in view.status.pod_types}
    prospect = prospect_of(demand, offers, cluster.max_workers, there)
    yield f"{shape_text(demand.shape)}: {_outlook(prospect)}"
    yield from _table(("TYPE", "WHY"), [(reason.type, reason.text) for reason in prospect.reasons])
    told = view.status.find_condition(ConditionType.AUTOSCALING)
    if told is not None and (not told.true or told.message):
        yield ""
        yield f"Just now, which the above leaves out ({told.reason}):"
        yield from (f"  {sentence}" for sentence in told.message.split("\n") if sentence)


def _outlook(prospect: Prospect) -> str:
    if prospect.launched is not None:
        return f"a node of type {prospect.launched} would be started for it"
    if prospect.verdict is None:
        return "no node would be started for it: any that is there takes it"
    return f"no node would be started for it ({prospect.verdict})"


def _page(view: ClusterView, cluster: RayCluster) -> Iterator[str]:
    told = view.status.find_condition(ConditionType.AUTOSCALING)
    state = "its operator has not said anything yet" if told is None else told.reason
    phase = view.status.phase or "no status yet"
    yield (
        f"{cluster.key.name}: {phase}, {view.status.ready_workers} of {view.status.desired_workers} workers "
        f"ready (at most {cluster.max_workers}), autoscaling: {state}"
    )
    rows = [
        (
            kind.name,
            str(kind.minimum),
            str(kind.maximum),
            str(kind.desired),
            str(kind.running),
            str(kind.ready),
            str(kind.draining),
            str(kind.failures),
        )
        for kind in view.status.pod_types
    ]
    yield from _table(("TYPE", "MIN", "MAX", "WANTED", "RUNNING", "READY", "DRAINING", "FAILED"), rows)
    if told is not None and told.message:
        yield ""
        yield "What is wrong, or waits:"
        yield from (f"  {sentence}" for sentence in told.message.split("\n"))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in chain([head], rows):
        yield "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
