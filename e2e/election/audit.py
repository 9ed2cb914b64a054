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
    """A write that the API server has carried out."""

    agent: str
    """The user agent; the operator's names the replica."""
    verb: str
    resource: str
    """With the subresource: ``rayclusters/status``."""
    name: str
    """'' where the server gave it."""


def writes(cluster: Cluster, namespace: str) -> list[Write]:
    """Return all writes in a namespace in the order of their end; what was refused is left out."""
    if not isinstance(cluster, LocalCluster):
        pytest.skip("only the local provider's API server keeps an audit log that can be read")
    found = []
    for line in cluster.audit_log.read_text().splitlines():
        event = json.loads(line)
        about = event.get("objectRef", {})
        code = event.get("responseStatus", {}).get("code", 0)
        if about.get("namespace") == namespace and event["verb"] in _WRITES and code < 300:
            resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
            found.append(Write(event.get("userAgent", ""), event["verb"], resource, about.get("name", "")))
    return found
