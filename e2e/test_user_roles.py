"""What `deploy/user-roles.yaml` gives to people, asked of a real API server."""

from __future__ import annotations

import pytest

from e2e.namespace import Namespace
from e2e.operator_process import wait_for
from e2e.terminal import REPOSITORY

pytestmark = pytest.mark.apiserver

ROLES = REPOSITORY / "deploy" / "user-roles.yaml"


def may(space: Namespace, who: str, verb: str) -> bool:
    """Whether somebody may do that to the RayClusters of a namespace."""
    words = ("auth", "can-i", verb, "rayclusters.cluster.ray.io", f"--as={who}")
    return space.kubectl(*words, check=False).strip() == "yes"


def test_who_may_edit_or_view_a_namespace_may_edit_or_view_its_rayclusters(space: Namespace) -> None:
    for role in ("edit", "view"):
        space.kubectl("create", "rolebinding", role, f"--clusterrole={role}", f"--user=may-{role}")
    assert not may(space, "may-edit", "create")

    space.cluster.kubectl("apply", "-f", str(ROLES))

    try:
        wait_for("the rules to be added", lambda: may(space, "may-edit", "create"))
        wait_for("the rules to be added", lambda: may(space, "may-view", "watch"))
        assert may(space, "may-edit", "delete")
        assert not may(space, "may-view", "patch")
        assert not may(space, "stranger", "get")
    finally:
        space.cluster.kubectl("delete", "-f", str(ROLES))
