"""A cluster whose processes and callers have to know a token: it starts, scales, and says so when it cannot be known."""

from __future__ import annotations

import pytest

from e2e.lifecycle.life import Life, Ray
from e2e.operator_process import Operator, wait_for
from e2e.terminal import REPOSITORY

pytestmark = pytest.mark.nodes

TASKS = """
@ray.remote(max_retries=3)
def square(n):
    return n * n
print(ray.get(square.remote(7)))
"""


def test_a_cluster_with_a_token_is_autoscaled_once_the_operator_may_read_it(
    life: Life, operator: Operator
) -> None:
    life.kubectl("create", "secret", "generic", "ray-token", f"--from-literal=auth_token={'ab' * 32}")
    ray = Ray(life, "one", workers=0, idleTimeoutMinutes=0.1)
    ray.document["spec"]["auth"] = {"mode": "token", "secretName": "ray-token"}
    ray.small["maxWorkers"] = 1
    ray.start()
    wait_for(
        "it says what is missing",
        lambda: ray.condition("Autoscaling").get("reason") == "GcsUnauthenticated",
        60,
    )
    assert "ray-token" in ray.condition("Autoscaling")["message"]

    life.kubectl("apply", "-f", str(REPOSITORY / "deploy" / "token-role.yaml"))
    assert ray.python(TASKS) == "49"
    wait_for("no worker", lambda: not ray.live("worker"), 60)

    nobody = ["exec", ray.head(), "--", "env", "-u", "RAY_AUTH_TOKEN", "ray", "status"]
    assert "Resources" not in life.kubectl(*nobody, check=False)
    assert operator.log("one:.*does not answer.*token")
