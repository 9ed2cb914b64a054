"""A run: as many rounds as it takes, told as they come, and a table at the end."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench.figures import table
from e2e.cluster.local import LocalCluster
from e2e.faults.ground import FAKE, Ground
from e2e.faults.history import History
from e2e.faults.nemesis import WEIGHTS
from e2e.faults.round import Plan, Result, run_round
from e2e.faults.story import story
from e2e.terminal import REPOSITORY

_MOST_TOLD = 20
"""Violations of a round that are told; of each rule the first one whole."""


async def rounds(
    bed: LocalCluster, seed: int, faults: int, folder: Path, *, first: int = 0, ground: Ground = FAKE
) -> AsyncIterator[Result]:
    """Run rounds until so many faults were inflicted; tell each and give it, without its history."""
    number, left = first, faults
    while left > 0:
        some = min(left + left // 10, ground.faults_a_round)  # of which some find nothing to hit
        plan = Plan(seed, number, some, ground=ground)
        place = folder / plan.namespace
        place.mkdir(parents=True)
        result = await run_round(bed, plan, place)
        _tell(result)
        if result.violations:
            kept = REPOSITORY / "failures" / plan.namespace
            shutil.copytree(place, kept, dirs_exist_ok=True)
            print(f"the replicas' logs: {kept}", flush=True)
        shutil.rmtree(place)
        bed.kubectl("delete", "namespace", plan.namespace, "--wait=false", check=False)
        os.truncate(bed.audit_log, 0)  # of hours it would fill the disk; all of it has been read
        yield replace(result, history=History((), ()))
        number, left = number + 1, left - max(1, sum(result.counts.values()))


def _tell(result: Result) -> None:
    plan, count = result.plan, sum(result.counts.values())
    matter = ", ".join(f"{number} {what}" for what, number in sorted(result.judged.items()))
    print(
        f"round {plan.number}: {count} faults, {len(result.violations)} violations in {result.seconds:.0f} s,"
        f" quiet after {result.quiet_after:.1f} s ({matter})",
        flush=True,
    )
    told: set[str] = set()
    for violation in result.violations[:_MOST_TOLD]:
        text = story(violation, result.history)
        print(text.partition("\n")[0] if violation.rule in told else text, flush=True)
        told.add(violation.rule)
    if told:
        where = "" if plan.ground is FAKE else " --real"
        print(
            f"again: python -m e2e.faults --seed {plan.seed} --round {plan.number} --faults {plan.faults}{where}"
        )


def report(seed: int, results: Sequence[Result]) -> str:
    """Return the run as a table: counts by fault, what was judged, violations."""
    counts: Counter[str] = Counter()
    judged: Counter[str] = Counter()
    for result in results:
        counts.update(result.counts)
        judged.update(result.judged)
    seconds = sum(result.seconds for result in results)
    rows = [(str(kind), str(counts[str(kind)])) for kind in WEIGHTS]
    rows.append(("**faults**", f"**{counts.total()}**"))
    rows.extend((f"judged: {what}", str(number)) for what, number in sorted(judged.items()))
    rows.append(("**violations**", f"**{sum(len(result.violations) for result in results)}**"))
    slowest = max((result.quiet_after for result in results), default=0.0)
    title = (
        f"Seed {seed}: {len(results)} rounds in {seconds:.0f} s, {counts.total() / max(seconds, 1):.1f} faults"
        f" a second; the longest way to quiet {slowest:.0f} s"
    )
    return table(title, ("", "count"), rows)
