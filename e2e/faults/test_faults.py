"""A few hundred faults break nothing; and the checker finds what operators do that are broken on purpose."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from e2e.cluster.local import LocalCluster
from e2e.faults.forked import Make
from e2e.faults.ground import FAKE
from e2e.faults.nemesis import Blow, Kind
from e2e.faults.round import Plan, Result, run_round
from e2e.faults.run import report, rounds

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(600)]

FAULTS = 250
SEED = 20261129
"""`make faults` draws other ones: what it finds is worth a test of its own, and no red build of somebody else's."""
BROKEN: Mapping[Make, tuple[Mapping[Kind, int], str]] = {
    # It wakes up amid a launch that another replica has finished meanwhile.
    Make.WITHOUT_FENCE: ({Blow.STOP_AT_STEP: 1}, "lease"),
    # It tries again what has taken effect, and what it has not heard of.
    Make.RANDOM_NAMES: ({Blow.BLIND_AND_UNHEARD: 1, Blow.POD_REMOVED: 2}, "too many"),
}


@pytest.fixture(scope="module")
def bed() -> Iterator[LocalCluster]:
    """A control plane whose writes are on record: it is killed and stopped, so it is nobody else's."""
    with FAKE.open() as opened:
        yield opened


def test_hundreds_of_faults_break_nothing(bed: LocalCluster, tmp_path: Path) -> None:
    async def run() -> list[Result]:
        return [result async for result in rounds(bed, SEED, FAULTS, tmp_path)]

    results = asyncio.run(run())

    print(report(SEED, results))
    assert not [violation for result in results for violation in result.violations]
    judged = sum((Counter(result.judged) for result in results), Counter[str]())
    assert all(judged[what] > 0 for what in ("terms", "pods created", "pods deleted"))


@pytest.mark.parametrize("make", BROKEN, ids=lambda make: make.name)
def test_an_operator_that_is_broken_is_found_out(bed: LocalCluster, tmp_path: Path, make: Make) -> None:
    weights, rule = BROKEN[make]
    found: set[str] = set()

    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        plan = Plan(random.randrange(10**6), 0, 60, make, weights)
        result = asyncio.run(run_round(bed, plan, folder))
        found |= {violation.rule for violation in result.violations}
        if rule in found:
            break

    assert rule in found
