"""A few hundred faults; and that the checker finds an operator that is broken."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster.local import LocalCluster
from e2e.faults.run import open_bed, report, run

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(600)]

FAULTS = 300


@pytest.fixture(scope="module")
def bed() -> Iterator[LocalCluster]:
    """A control plane whose writes are on record: it is killed and stopped, so it is nobody else's."""
    with open_bed() as opened:
        yield opened


def test_hundreds_of_faults_break_nothing(bed: LocalCluster, tmp_path: Path) -> None:
    seed = random.randrange(10**6)

    results = asyncio.run(run(bed, seed, FAULTS, tmp_path))

    print(report(seed, results))
    assert not [violation for result in results for violation in result.violations]
    assert sum(sum(result.counts.values()) for result in results) > FAULTS * 0.8
    assert all(min(result.judged.values()) > 0 for result in results)
