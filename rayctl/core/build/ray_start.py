"""The commands that start Ray: the user's as far as we must read or amend them, and ours.

Users write shell text, so what is found here is found by pattern: an option that is computed at run time
stays unseen, and the default counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rayctl.api.names import AGENT_PORT, GCS_PORT, METRICS_PORT, Role
from rayctl.api.raycluster import PodType, RayCluster

# One simple command that starts Ray: up to the operator that ends it, escaped characters skipped.
_RAY_START = re.compile(r"\bray\s+start\b(?P<options>(?:[<>]&|&>|[^;&|\n\\]|\\.)*)", re.DOTALL)
_LAST_PORT = 65535
_MORE_FILES = "ulimit -n 65536 2>/dev/null || true"


def setup_commands(cluster: RayCluster, pod_type: PodType, role: Role) -> tuple[str, ...]:
    """Return the commands that run before Ray starts: those for all pods of the role, then the type's own."""
    match role:
        case Role.HEAD:
            return (*cluster.head_setup_commands, *pod_type.setup_commands)
        case Role.WORKER:
            return (*cluster.worker_setup_commands, *pod_type.setup_commands)


def start_commands(cluster: RayCluster, role: Role) -> tuple[str, ...]:
    """Return the commands that start Ray: the user's, the head's without Ray's own autoscaler, or ours."""
    match role:
        case Role.HEAD:
            given = cluster.head_start_commands
            return tuple(map(without_monitor, given)) if given else (_default_head(),)
        case Role.WORKER:
            return cluster.worker_start_commands or (_default_worker(gcs_port(cluster)),)


def without_monitor(command: str) -> str:
    """Return a command with ``--no-monitor`` put in where it starts a head without saying so.

    Files for Ray 1.2 and earlier lack the option, and Ray's own monitor would report over our autoscaler. No
    environment variable turns it off; a word after ``ray start`` is safe in whatever shell text surrounds it,
    and everyone can see it in the pod.
    """

    def amend(found: re.Match[str]) -> str:
        options = found["options"]
        if not _has_option(options, "--head") or _has_option(options, "--no-monitor"):
            return found[0]
        return f"{found[0][: len(found[0]) - len(options)]} --no-monitor{options}"

    return _RAY_START.sub(amend, command)


def starts_ray(argv: Sequence[str]) -> bool:
    """Return whether a container's own command starts Ray, as far as can be seen."""
    return _RAY_START.search(" ".join(argv)) is not None


def gcs_port(cluster: RayCluster) -> int:
    """Return the port of Ray's Global Control Store (GCS): the head's ``--port``, else 6379."""
    return _find_port(cluster.head_start_commands or (), "--port", GCS_PORT)


def agent_port(cluster: RayCluster, role: Role) -> int:
    """Return the port where a node's dashboard agent tells of its health."""
    return _find_port(start_commands(cluster, role), "--dashboard-agent-listen-port", AGENT_PORT)


def _default_head() -> str:
    return (
        f"{_MORE_FILES}; ray start --head --port={GCS_PORT} --no-monitor --dashboard-host=0.0.0.0"
        f" --metrics-export-port={METRICS_PORT}"
    )


def _default_worker(port: int) -> str:
    return f'{_MORE_FILES}; ray start --address="$RAY_HEAD_IP:{port}" --metrics-export-port={METRICS_PORT}'


def _find_port(commands: Sequence[str], option: str, default: int) -> int:
    pattern = re.compile(rf"(?<!\S){option}(?:=|\s+)[\"']?(\d{{1,5}})(?!\d)")
    found = (int(match[1]) for command in commands for match in pattern.finditer(command))
    return next((port for port in found if 0 < port <= _LAST_PORT), default)


def _has_option(options: str, option: str) -> bool:
    return re.search(rf"(?<!\S){option}(?![\w-])", options) is not None
