"""Digests that tell whether something changed.

A pod's fingerprint is taken of what the *user* wrote for its type, never of what we made of it: then another
version of the operator restarts nothing (docs/adr/0007-fingerprint-of-user-input.md). Whoever lets it depend
on a new field must leave that field out while it isn't set, or every pod in the world is replaced on upgrade.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from rayctl.api.document import Document, Json
from rayctl.api.names import Role, TypeName
from rayctl.api.raycluster import PodType, RayCluster
from rayctl.core.build.ray_start import setup_commands

_LENGTH = 16


def fingerprint(cluster: RayCluster, pod_type: PodType, role: Role) -> str:
    """Return a digest of all user input that such a pod is made of; no scaling field is in it."""
    start = cluster.head_start_commands if role is Role.HEAD else cluster.worker_start_commands
    given: Document = {"role": role.value, "pod": pod_type.pod}
    if pod_type.ray_resources is not None:
        given["rayResources"] = dict(pod_type.ray_resources)
    if pod_type.hosts > 1 and role is Role.WORKER:
        given["hosts"] = pod_type.hosts
    if pod_type.labels:
        given["labels"] = dict(pod_type.labels)
    if setup := setup_commands(cluster, pod_type, role):
        given["setup"] = list(setup)
    if cluster.auth.token_secret and role is Role.HEAD:  # whose loss takes its workers along
        given["auth"] = cluster.auth.token_secret
    if start is not None:
        given["start"] = list(start)
    return digest(given)


def restart_mark(cluster: RayCluster, name: TypeName) -> str:
    """Return what tells the restarts asked for apart: '' until the first, then another one for each."""
    marks = cluster.restarts.of_type(name)
    return digest({"marks": [list(mark) for mark in marks]}) if marks else ""


def digest(document: Mapping[str, Json]) -> str:
    """Return 16 hexadecimal digits that depend on a document's content, not on the order of its keys."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_LENGTH]
