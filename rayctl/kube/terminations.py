"""Which processes have ended, by the kubelet's word.

A process that starts writes who it is where its container's termination message is expected. However that
container ends, the kubelet reports it as terminated with just this message: so no clock is compared, and no
container is taken for the one after it. What only looks like an end has no such message: a pod that is gone
(on a node that is cut off it may still run), or a container that the kubelet has not found.

https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from rayctl.clock import Clock
from rayctl.kube.client import KubeClient
from rayctl.kube.decode import Meta, Wire, read
from rayctl.kube.listing import Target
from rayctl.kube.resource import PODS
from rayctl.kube.watch import Watch

MESSAGE = Path("/dev/termination-log")
"""Where the kubelet expects the message, unless a container's terminationMessagePath says otherwise."""

OnEnded = Callable[[frozenset[str]], None]
"""Told of processes that have ended, by what they wrote; those of one pod that are still remembered."""


def sign(identity: str, message: Path = MESSAGE) -> None:
    """Write who this process is where the kubelet finds it when the process has ended.

    Raises:
        OSError: there is no such place, as outside of a pod.
    """
    with message.open("r+") as file:  # not made where it is missing: nobody would read it
        file.truncate()
        file.write(identity)


class Terminations:
    """Tells whose processes have ended, of a namespace's pods, one at a time."""

    def __init__(self, client: KubeClient, namespace: str, clock: Clock) -> None:
        self._client = client
        self._namespace = namespace
        self._clock = clock

    async def watch(self, pod: str, on_ended: OnEnded) -> None:
        """Tell of those of one pod until cancelled, whenever the pod changes."""
        target = Target(resource=PODS, namespace=self._namespace, fields=f"metadata.name={pod}")
        await Watch(self._client, target, _ends, _Sink(on_ended), self._clock).run()


class _Ends(msgspec.Struct, frozen=True):
    resource_version: int
    signed: frozenset[str]


class _Sink:
    """Where the watch's records go. That the pod is gone says nothing of its processes."""

    def __init__(self, on_ended: OnEnded) -> None:
        self._on_ended = on_ended

    def clear(self) -> None:
        """Tell nothing."""

    def replace(self, records: tuple[_Ends, ...], version: int) -> None:  # noqa: ARG002
        for record in records:
            self.put(record)

    def put(self, record: _Ends) -> None:
        if record.signed:
            self._on_ended(record.signed)

    def remove(self, record: _Ends) -> None:
        self.put(record)


class _Terminated(msgspec.Struct, frozen=True):
    message: str = ""


class _State(msgspec.Struct, frozen=True):
    terminated: _Terminated | None = None


class _Container(msgspec.Struct, frozen=True, rename="camel"):
    state: _State | None = None
    last_state: _State | None = None


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    container_statuses: list[_Container] | None = None


class _Pod(msgspec.Struct, frozen=True):
    metadata: Meta = Meta()
    status: _Status = _Status()


def _ends(body: Wire) -> _Ends:
    pod = read(body, _Pod)
    containers = pod.status.container_statuses or ()
    states = [state for container in containers for state in (container.state, container.last_state)]
    ended = [
        state.terminated.message for state in states if state is not None and state.terminated is not None
    ]
    return _Ends(pod.metadata.version, frozenset(filter(None, ended)))
