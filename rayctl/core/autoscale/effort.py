"""How much work a plan is, told from what is asked for before it is made, and how much is worth it.

A step is about a microsecond. What a head asks for is not ours to choose: one that means harm, or a program
gone wild, could ask for placement groups that keep a planner busy for hours.
"""

from __future__ import annotations

from dataclasses import replace

from rayctl.core.autoscale.demand import Gang, Snapshot

MOST_STEPS = 5_000_000
"""Twice what one placement group of 1,000 different bundles beside 1,000 workers is estimated at."""


def estimated_steps(asked: Snapshot, workers: int, types: int) -> int:
    """Return about how many steps a plan takes: more than 60,000 belong in a thread of their own."""
    groups = len(asked.demands) + len(asked.constraint)
    steps = 50 * groups + workers * (4 + min(groups, 50)) + types * min(groups, 500) * 10
    return steps + sum(_steps_of(gang, workers, types) for gang in asked.gangs)


def affordable(asked: Snapshot, workers: int, types: int) -> Snapshot:
    """Return what is asked for without the placement groups that would take a plan beyond ``MOST_STEPS``.

    They are counted in ``left_out``. Each is taken or left whole, in the order in which Ray lists them.
    """
    left = MOST_STEPS - estimated_steps(replace(asked, gangs=()), workers, types)
    taken: list[Gang] = []
    for gang in asked.gangs:
        steps = _steps_of(gang, workers, types)
        if steps <= left:
            left -= steps
            taken.append(gang)
    if len(taken) == len(asked.gangs):
        return asked
    left_out = asked.left_out + sum(gang.count for gang in asked.gangs) - sum(gang.count for gang in taken)
    return replace(asked, gangs=tuple(taken), left_out=left_out)


def _steps_of(gang: Gang, workers: int, types: int) -> int:
    # Bundles are planned as they are, each beside all workers and all others of its group.
    bundles = len(gang.bundles)
    return 200 + bundles * (50 + types * 10 + workers + bundles)
