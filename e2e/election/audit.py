"""Who has written what, by the API server's own log."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from e2e.cluster import Cluster
from e2e.cluster.local import LocalCluster

_WRITES = {"create", "update", "patch", "delete"}


@dataclass(frozen=True, slots=True)
class Write:
    """A write that has reached the API server."""

    agent: str
    """The user agent; the operator's names the replica."""
    verb: str
    resource: str
    """With the subresource: ``rayclusters/status``."""
    name: str
    """'' where the server gave it."""
    code: int
    """HTTP's: 300 and more where it was refused."""


def writes(cluster: Cluster, namespace: str) -> list[Write]:
    """Return all writes in a namespace in the order of their end."""
    if not isinstance(cluster, LocalCluster):
        pytest.skip("only the local provider's API server keeps an audit log that can be read")
    found = []
    for line in cluster.audit_log.read_text().splitlines():
        event = json.loads(line)
        about = event.get("objectRef", {})
        if about.get("namespace") == namespace and event["verb"] in _WRITES:
            resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
            code = event.get("responseStatus", {}).get("code", 0)
            agent, name = event.get("userAgent", ""), about.get("name", "")
            found.append(Write(agent, event["verb"], resource, name, code))
    return found
