"""The command of a Ray pod's container 0: Ray starts with it and lives as long as it.

Nobody has to exec into a pod, so an operator that restarts, or another one that takes over, leaves Ray alone.
Why so: docs/adr/0008-ray-in-the-containers-command.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rayctl.api.document import Document, Json, Reader
from rayctl.api.names import Role
from rayctl.api.raycluster import PodType, RayCluster
from rayctl.core.build.entrypoint import SCRIPT
from rayctl.core.build.keepalive import before_keepalive
from rayctl.core.build.ray_start import gcs_port, setup_commands, start_commands, starts_ray

_PATIENCE = 10
"""Seconds for a command that may do some work and end, or go on for ever: nobody can tell beforehand."""
_RAY_LOGS = "/tmp/raylogs"  # noqa: S108 - users' files name it


@dataclass(frozen=True, slots=True)
class Command:
    """What goes into ``command`` and ``args`` of a container."""

    command: tuple[str, ...]
    args: tuple[str, ...]


def ray_command(cluster: RayCluster, pod_type: PodType, role: Role, agent_port: int | None) -> Command | None:
    """Return what container 0 shall run, or None where its own command starts Ray and is to be left alone.

    ``agent_port`` is the port that our readiness probe asks, or None where the user has a probe. A container
    without a command but with args loses its image's ENTRYPOINT, which no one can know here: its args are
    taken for the whole command.
    """
    own = own_command(pod_type.pod)
    if starts_ray(own):
        return None
    commands = (*setup_commands(cluster, pod_type, role), *start_commands(cluster, role))
    args: list[str] = []
    if any(_RAY_LOGS in text for text in (*own, *commands)):
        args += ["--follow", _RAY_LOGS]
    if before := before_keepalive(own):
        # Not escaped: what the kubelet expands in a container's own command, it expands here.
        how = ["--before"] if before.ends else ["--patience", str(_PATIENCE), "--beside"]
        args += [*how, str(len(before.argv)), *before.argv]
    if role is Role.WORKER:
        args += ["--head-port", str(gcs_port(cluster)), "--alone", str(_count_without_head(commands))]
    if agent_port is not None:
        args += ["--agent-port", str(agent_port)]
    args += ["--", *map(for_kubelet, commands)]
    return Command(("/bin/bash", "-c", SCRIPT, "rayctl"), tuple(args))


def own_command(pod: Document) -> tuple[str, ...]:
    """Return command and args that the user gave container 0; () where there are none."""
    containers = Reader(pod).inner("spec").each("containers")
    return () if not containers else (*_words(containers[0], "command"), *_words(containers[0], "args"))


def for_kubelet(text: str) -> str:
    """Return a text from which the kubelet, which expands ``$(NAME)``, will make the given one."""
    return re.sub(r"\$(?=[$(])", "$$", text)


def _count_without_head(commands: tuple[str, ...]) -> int:
    """Return how many commands, from the first one on, can run while there is no head yet."""
    need = (index for index, text in enumerate(commands) if "RAY_HEAD_IP" in text or starts_ray((text,)))
    return next(need, len(commands) - 1)


def _words(container: Reader, key: str) -> tuple[str, ...]:
    value: Json = container.value.get(key)
    return tuple(str(word) for word in value) if isinstance(value, list) else ()
