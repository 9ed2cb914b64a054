"""Our planner beside Ray's own scheduler: the same clusters, the same demands, the same run.

    python -m bench.planner [--nodes 10,100,1000] [--demands 1000,10000] [--limit 30] [--clusters 1500]

Ray's scheduler is part of the ``ray`` package (a development dependency; without it ours is measured alone).
Cost is the same for both: a CPU 1, 8 GiB of memory 1, an accelerator 16, a custom resource 4.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from bench import ray_scheduler
from bench.figures import circumstances, table, version
from bench.planner_cases import Case, Use, Variety, amounts, large_case, situation_of, small_case
from bench.ray_scheduler import RayAnswer
from rayctl.core.autoscale.demand import Gang, Shape
from rayctl.core.autoscale.plan import plan
from rayctl.core.autoscale.situation import Plan
from rayctl.core.autoscale.weight import cost_of, weight_of

ROUNDS = 5
UNIT = 10_000 * (8 << 30)
"""What a whole CPU weighs."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How good an answer is. Less is better, what is unmet first."""

    unmet: int
    cost: int
    nodes: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.planner", description="Our planner beside Ray's")
    parser.add_argument("--nodes", default="10,100,1000", help="default: %(default)s")
    parser.add_argument("--demands", default="1000,10000", help="default: %(default)s")
    parser.add_argument(
        "--limit", type=float, default=30.0, help="seconds that Ray may take (default: %(default)s)"
    )
    parser.add_argument("--clusters", type=int, default=1500, help="small random ones (default: %(default)s)")
    flags = parser.parse_args()
    print(f"{version()}\n{circumstances()}", flush=True)
    if not ray_scheduler.is_installed():
        print("The ray package is not installed (make setup installs it): ours is measured alone.")
    nodes, demands = _numbers(flags.nodes), _numbers(flags.demands)
    columns = [
        "nodes x demands",
        "nodes are",
        "demands are",
        "ours",
        "Ray",
        "ratio",
        "cost",
        "nodes",
        "unmet",
    ]
    print(table("One plan", columns, _large(nodes, demands, flags.limit)), flush=True)
    if ray_scheduler.is_installed():
        print(_small(flags.clusters))
    print(f"\nend: {circumstances()}")


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _large(nodes: Iterable[int], demands: Sequence[int], limit: float) -> Iterator[list[str]]:
    for use, variety, many, asked in product(Use, Variety, nodes, demands):
        case = large_case(many, asked, variety, use)
        seconds, ours = _timed(case)
        theirs = ray_scheduler.schedule(case, limit) if ray_scheduler.is_installed() else None
        row = [f"{many:,} x {asked:,}", use, variety, f"{seconds * 1000:.1f} ms"]
        taken = f"{theirs.seconds * 1000:,.0f} ms" if theirs else f"more than {limit:.0f} s"
        print(f"  {', '.join(row[:3])}: {row[3]}; Ray {taken}", file=sys.stderr, flush=True)
        yield row + _beside(case, ours, seconds, theirs, limit)


def _beside(case: Case, ours: Plan, seconds: float, theirs: RayAnswer | None, limit: float) -> list[str]:
    mine = _ours(case, ours)
    if theirs is None:
        return [
            f"> {limit:.0f} s",
            f"> {limit / seconds:,.0f}",
            f"{mine.cost // UNIT:,}",
            f"{mine.nodes}",
            f"{mine.unmet // UNIT}",
        ]
    other = _theirs(case, theirs)
    return [
        f"{theirs.seconds * 1000:,.0f} ms",
        f"{theirs.seconds / seconds:,.0f}",
        f"{mine.cost // UNIT:,} / {other.cost // UNIT:,} ({_change(mine.cost, other.cost)})",
        f"{mine.nodes} / {other.nodes}",
        f"{mine.unmet // UNIT} / {other.unmet // UNIT}",
    ]


def _change(mine: int, other: int) -> str:
    return f"{(mine - other) * 100 / other:+.0f} %" if other else "-"


def _timed(case: Case) -> tuple[float, Plan]:
    """Return the best of some rounds: what it takes when nothing else takes the core."""
    situation = situation_of(case)
    best, outcome = float("inf"), plan(situation)
    for _ in range(ROUNDS):
        start = time.perf_counter()
        outcome = plan(situation)
        best = min(best, time.perf_counter() - start)
    return best, outcome


def _ours(case: Case, outcome: Plan) -> Quality:
    unmet = 0
    for each in outcome.unmet:
        assert not isinstance(each.subject, Gang)
        unmet += _size(each.subject.shape) * each.subject.count
    launch = Counter[str]()
    for pods in (outcome.launch, outcome.held_back):
        launch.update({str(name): count for name, count in pods.items()})
    return _quality(case, launch, unmet)


def _theirs(case: Case, answer: RayAnswer) -> Quality:
    unmet = sum(_size(tuple(amounts(resources).items())) for resources in answer.unmet)
    return _quality(case, answer.launch, unmet)


def _size(shape: Shape) -> int:
    return sum(weight_of(resource) * amount for resource, amount in shape)


def _quality(case: Case, launch: Mapping[str, int], unmet: int) -> Quality:
    cost = sum(cost_of(amounts(case.types[name].resources)) * count for name, count in launch.items())
    return Quality(unmet, cost, sum(launch.values()))


def _small(clusters: int) -> str:
    """Return how the two compare on random small clusters, where Ray's takes no time to speak of."""
    verdicts: Counter[str] = Counter()
    costs = [0, 0]
    for seed in range(clusters):
        case = small_case(seed)
        mine = _ours(case, plan(situation_of(case)))
        other = _theirs(case, ray_scheduler.answer(ray_scheduler.scheduling_request(case)))
        if mine.unmet != other.unmet:
            verdicts["less unmet" if mine.unmet < other.unmet else "more unmet"] += 1
            continue
        costs = [costs[0] + mine.cost, costs[1] + other.cost]
        if mine.cost != other.cost:
            verdicts["cheaper" if mine.cost < other.cost else "dearer"] += 1
        else:
            verdicts["as good"] += 1
    share = f"{100 * costs[0] / costs[1]:.1f} %" if costs[1] else "-"
    rows = [
        [name, str(verdicts[name])] for name in ("less unmet", "more unmet", "cheaper", "dearer", "as good")
    ]
    rows.append(["cost of Ray's, where as much is met", share])
    return table(f"{clusters} random small clusters: ours is", ["", "clusters"], rows)


if __name__ == "__main__":
    main()
