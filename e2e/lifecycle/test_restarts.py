"""Ray restarts when somebody asks for it, as much of it as was asked for, and never because the operator did."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from e2e.lifecycle.life import Life, Ray, same_containers
from e2e.operator_process import operators, wait_for
from e2e.terminal import REPOSITORY

pytestmark = pytest.mark.nodes


@pytest.mark.usefixtures("operator")
def test_try_again_as_a_label_restarts_the_whole_cluster(life: Life) -> None:
    ray = Ray(life, "one")
    ray.document["metadata"]["labels"] = {"try": "once"}
    ray.start()
    before = ray.live()

    ray.document["metadata"]["labels"] = {"try": "again"}
    ray.apply()
    wait_for("other pods", lambda: len(ray.live()) == 2 and before.keys().isdisjoint(ray.live()), 120)
    ray.wait_running()

    assert any("a label or an annotation" in text for text in life.events("RestartingHead"))
    assert ray.status()["autoscalerRetries"] == 0


@pytest.mark.usefixtures("operator")
def test_one_pod_or_one_type_can_be_restarted_and_the_head_stays(life: Life) -> None:
    ray = Ray(life, "one", workers=2)
    ray.start()
    head, (first, second) = ray.live("head"), sorted(ray.live("worker"))

    life.kubectl("annotate", "pod", first, "cluster.ray.io/restartedAt=now")
    wait_for("another pod", lambda: first not in ray.live() and len(ray.live("worker")) == 2, 120)
    ray.wait_running()
    assert second in ray.live()

    before = ray.live("worker")
    life.kubectl("annotate", "raycluster", "one", "restarted-at.cluster.ray.io/small=now")
    wait_for("other workers", lambda: before.keys().isdisjoint(ray.live("worker")), 120)
    ray.wait_running()
    assert ray.live("head") == head


def test_the_operators_absence_and_its_next_version_restart_nothing(life: Life, tmp_path: Path) -> None:
    ray = Ray(life, "one", workers=1)
    (tmp_path / "first").mkdir()
    with operators(life.kubeconfig, tmp_path / "first") as running:
        ray.start()
        before = ray.live()
        running[0].send(signal.SIGKILL)
        running[0].wait()
    ray.small["minWorkers"] = 2
    ray.apply()

    with operators(life.kubeconfig, tmp_path, source=another_version(tmp_path)):
        ray.wait_running()
        after = ray.pods("worker")

    assert same_containers(before, ray.live())
    assert len(after) == 2, "what was edited meanwhile was done"
    added = next(pod for name, pod in after.items() if name not in before)
    assert any(entry["name"] == "OF_THE_NEXT_VERSION" for entry in added["spec"]["containers"][0]["env"])


def another_version(folder: Path) -> Path:
    """Return a copy of the operator that makes its pods otherwise: with one environment variable more."""
    shutil.copytree(REPOSITORY / "rayctl", folder / "rayctl")
    module = folder / "rayctl" / "core" / "build" / "environment.py"
    text = module.read_text()
    changed = text.replace('"RAY_NODE_TYPE_NAME"', '"OF_THE_NEXT_VERSION": "1", "RAY_NODE_TYPE_NAME"')
    assert changed != text
    module.write_text(changed)
    return folder
