"""Placement groups: all bundles of one or none, the hardest groups first, equal ones together.

Ray cannot use half a group, so a group that does not fit as a whole must not hold or launch anything. An
attempt is made on a copy and dropped when it fails; of many equal groups the most that fit are found by
halving.
"""

from __future__ import annotations

from collections.abc import Mapping

from rayctl.core.autoscale.asked import GangWant, wants_of
from rayctl.core.autoscale.axes import Key
from rayctl.core.autoscale.grow import Stage, grow, launch_apart
from rayctl.core.autoscale.ledger import Cause


def place_gang(stage: Stage, want: GangWant, others: Mapping[Key, int]) -> tuple[Stage, int]:
    """Place as many of equal placement groups as possible; return the stage after it, and how many were.

    ``others`` is how many of each bundle the groups after it have: room is kept for them, and for it no more.
    """
    placed, most = 0, want.gang.count
    attempt = most
    while placed < most:
        after = _place_whole(stage, want, attempt)
        if after is not None:
            stage, placed = after, placed + attempt
        else:
            most = placed + attempt - 1
        attempt = -(-(most - placed) // 2)
    for group, _ in want.groups:
        stage.space.release(group, others.get(group.key, 0))
    return stage, placed


def _place_whole(stage: Stage, want: GangWant, times: int) -> Stage | None:
    """Return the stage with so many equal placement groups placed, or None when not all of them fit."""
    after = stage.copy()
    wants = wants_of(want.groups, times)
    after.space.claim(wants)
    for each in wants:
        after.space.take(each)
    if want.gang.group:
        done = all(launch_apart(after, each, Cause.GANG) for each in wants)
        after.space.rejoin()
    else:
        done = not grow(after, wants, Cause.GANG)
    if done:
        return after
    stage.space.steps = after.space.steps
    return None
