"""What the command tells of a cluster, and of a demand."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from rayctl.cli.exits import Exit
from rayctl.cli.main import main
from unit.builders import a_cluster_document
from unit.fakes.apiserver import FakeApiServer
from unit.fakes.objects import Place

Command = Callable[..., Coroutine[Any, Any, tuple[int, str, str]]]


def a_status() -> dict[str, Any]:
    return {
        "phase": "Running",
        "desiredWorkers": 2,
        "readyWorkers": 1,
        "podTypes": [
            {"name": "head-node", "min": 0, "max": 0, "desired": 0, "running": 0, "ready": 0},
            {"name": "worker-node", "min": 2, "max": 2, "desired": 2, "running": 2, "ready": 1},
        ],
        "conditions": [
            {
                "type": "Autoscaling",
                "status": "True",
                "reason": "FollowingDemand",
                "message": "{CPU: 1} waits: worker-node fits, maxWorkers 2 (cluster: 9) reached\n{TPU: 1} …",
                "lastTransitionTime": "2026-11-24T12:00:00Z",
            }
        ],
    }


@pytest.fixture
async def rayctl(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Command]:
    async with FakeApiServer() as server:
        kubeconfig = server.kubeconfig(tmp_path)
        document = a_cluster_document(maxWorkers=9)
        document["spec"]["podTypes"][1] |= {"maxWorkers": 2}
        place = Place("rayclusters", "ray", "example-cluster")
        server.objects.create(place, document)
        server.objects.merge(place, {"status": a_status()}, status=True)

        async def run(*words: str) -> tuple[int, str, str]:
            given = ["autoscaler", *words, "-n", "ray", "--kubeconfig", str(kubeconfig)]
            code = await asyncio.to_thread(main, given)
            told = capsys.readouterr()
            return code, told.out, told.err

        yield run


async def test_it_tells_how_it_stands_and_what_waits(rayctl: Command) -> None:
    code, page, _ = await rayctl("example-cluster")

    assert code == Exit.DONE
    assert page.splitlines() == [
        "example-cluster: Running, 1 of 2 workers ready (at most 9), autoscaling: FollowingDemand",
        "TYPE          MIN   MAX   WANTED   RUNNING   READY   DRAINING   FAILED",
        "head-node     0     0     0        0         0       0          0",
        "worker-node   2     2     2        2         1       0          0",
        "",
        "What is wrong, or waits:",
        "  {CPU: 1} waits: worker-node fits, maxWorkers 2 (cluster: 9) reached",
        "  {TPU: 1} …",
    ]


@pytest.mark.parametrize(
    ("demand", "outlook", "reason"),
    [
        ("CPU=1", "{CPU: 1}: no node would be started for it (waiting)", "maxWorkers 2 (cluster: 9) reached"),
        ("GPU=1", "{GPU: 1}: no node would be started for it (infeasible)", "offers GPU 0, 1 asked"),
    ],
)
async def test_it_explains_what_would_come_of_a_demand(
    rayctl: Command, demand: str, outlook: str, reason: str
) -> None:
    code, page, _ = await rayctl("example-cluster", "--explain", demand)

    assert code == Exit.DONE
    answer, _, now = page.partition("\n\n")
    first, _, *types = answer.splitlines()
    assert first == outlook
    assert now.startswith("Just now, which the above leaves out (FollowingDemand):\n  {CPU: 1} waits")
    assert [line.split()[0] for line in types] == ["head-node", "worker-node"]
    assert reason in types[1]


async def test_a_cluster_that_is_not_there_is_said(rayctl: Command) -> None:
    code, page, problem = await rayctl("nobody")

    assert (code, page) == (Exit.NOT_FOUND, "")
    assert "nobody" in problem


@pytest.mark.parametrize("demand", ["CPU", "CPU=x", "CPU=0", "=1", ""])
def test_a_demand_that_is_none_is_bad_usage(demand: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["autoscaler", "one", "--explain", demand])

    assert ended.value.code == Exit.USAGE
    assert "write such as CPU=8,GPU=1" in capsys.readouterr().err
