"""`python -m e2e.faults [--faults N] [--seed S] [--real]`: a run of many rounds, and a table at its end."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from e2e.cluster.local import LocalCluster
from e2e.faults.ground import FAKE, REAL
from e2e.faults.round import Result
from e2e.faults.run import report, rounds


def main() -> int:
    """Run; return 1 where something was violated."""
    parser = argparse.ArgumentParser(prog="python -m e2e.faults", description="Faults, and a checker")
    parser.add_argument("--faults", type=int, default=300, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="of all that is drawn (default: a new one)")
    parser.add_argument("--round", type=int, default=0, help="the first round; with a seed, to run one again")
    parser.add_argument(
        "--real", action="store_true", help="on real nodes with real Ray: few, and slow (needs root)"
    )
    flags = parser.parse_args()
    seed = random.randrange(10**6) if flags.seed is None else flags.seed
    print(f"seed {seed}", flush=True)
    ground = REAL if flags.real else FAKE
    results: list[Result] = []

    async def run(bed: LocalCluster, folder: Path) -> None:
        async for result in rounds(bed, seed, flags.faults, folder, first=flags.round, ground=ground):
            results.append(result)  # noqa: PERF401  # what there is by then is told also where a round fails

    with ground.open() as bed, tempfile.TemporaryDirectory(prefix="rayctl-faults-") as folder:
        try:
            asyncio.run(run(bed, Path(folder)))
        finally:
            print(report(seed, results), flush=True)
    return int(any(result.violations for result in results))


if __name__ == "__main__":
    sys.exit(main())
