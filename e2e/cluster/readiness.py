"""Waits for nodes to be Ready by word that is newer than the cause to wait.

A node that was just killed is Ready in the API for another 40 s; so a caller says since when it wants to
have heard of it: through a status report (after a start) or a renewed Lease (after a cut was healed).
"""

import datetime as dt
import json
from collections.abc import Callable, Sequence
from subprocess import CompletedProcess
from typing import Any, Protocol

from e2e.cluster.process import wait_until

READY_SECONDS = 120
LEASE_NAMESPACE = "kube-node-lease"


class Kubectl(Protocol):
    """Something that runs kubectl: a cluster."""

    def kubectl(
        self, *args: str, stdin: str | None = None, check: bool = True, timeout: float = 120
    ) -> CompletedProcess[str]:
        """Run kubectl."""


def now() -> dt.datetime:
    """The wall clock, as the kubelets of this machine read it, in whole seconds as they report it."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def wait_ready(
    cluster: Kubectl,
    nodes: Sequence[str],
    *,
    reported_since: dt.datetime | None = None,
    renewed_since: dt.datetime | None = None,
    tend: Callable[[], None] = lambda: None,
) -> None:
    """Return when all `nodes` are Ready, calling `tend` at each look; raises `BedError` after two minutes."""

    def ready() -> bool:
        tend()
        found = cluster.kubectl("get", "nodes", "-o", "json", check=False)
        if found.returncode != 0:
            return False
        fresh = ready_nodes(json.loads(found.stdout)["items"], reported_since)
        if renewed_since is not None:
            leases = cluster.kubectl("get", "leases", "-n", LEASE_NAMESPACE, "-o", "json").stdout
            fresh &= renewed_leases(json.loads(leases)["items"], renewed_since)
        return fresh.issuperset(nodes)

    wait_until(ready, f"Ready: {', '.join(nodes)}", READY_SECONDS)


def ready_nodes(items: Sequence[dict[str, Any]], since: dt.datetime | None) -> set[str]:
    """Names of the Nodes whose kubelet reported Ready, at `since` or later."""
    ready = set()
    for item in items:
        for condition in item.get("status", {}).get("conditions", ()):
            if condition["type"] != "Ready" or condition["status"] != "True":
                continue
            if since is None or dt.datetime.fromisoformat(condition["lastHeartbeatTime"]) >= since:
                ready.add(item["metadata"]["name"])
    return ready


def renewed_leases(items: Sequence[dict[str, Any]], since: dt.datetime) -> set[str]:
    """Names of the Leases renewed after `since`."""
    return {
        item["metadata"]["name"]
        for item in items
        if dt.datetime.fromisoformat(item["spec"]["renewTime"]) > since
    }
