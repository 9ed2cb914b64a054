"""What KWOK has overlooked: it goes by events, and does not come back to what an API server that died left undone.

A kubelet does come back. So whatever waits for one for a few seconds gets it here. That is also a pod whose
node was silent for a while, so that the controller manager took its readiness.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from e2e.faults.etcd import Recorder
from e2e.faults.history import Pod
from rayctl.kube.client import KubeClient
from rayctl.kube.errors import KubeError
from rayctl.kube.resource import PODS, Call, ContentType, Verb

_AFTER = 3.0
"""Seconds; KWOK takes a tenth of one."""
_SINCE = "2026-01-01T00:00:00Z"
_RUNS: dict[str, Any] = {
    "phase": "Running",
    "conditions": [
        {"type": kind, "status": "True", "lastTransitionTime": _SINCE}
        for kind in ("Ready", "ContainersReady")
    ],
}


async def second_look(client: KubeClient, namespace: str, recorder: Recorder) -> None:
    """Look after pods until cancelled."""
    since: dict[tuple[str, bool], float] = {}
    while True:
        await asyncio.sleep(1)
        due = {
            (pod.uid, pod.leaving): pod
            for pod in recorder.state.values()
            if isinstance(pod, Pod) and (pod.leaving or pod.waits)
        }
        now = time.monotonic()
        since = {which: since.get(which, now) for which in due}
        for which, pod in due.items():
            if now - since[which] > _AFTER:
                with contextlib.suppress(KubeError):  # it is gone, or the API server is: another look follows
                    await client.send(_call(namespace, pod), timeout=_AFTER)


def _call(namespace: str, pod: Pod) -> Call:
    if pod.leaving:
        options: dict[str, Any] = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": pod.uid},
        }
        return Call(verb=Verb.DELETE, resource=PODS, namespace=namespace, name=pod.name, body=options)
    number = int(pod.uid[:4], 16)
    status = {**_RUNS, "podIP": f"127.255.{number >> 8}.{number & 255}"}
    return Call(
        verb=Verb.PATCH,
        resource=PODS,
        namespace=namespace,
        name=pod.name,
        subresource="status",
        body={"metadata": {"uid": pod.uid}, "status": status},
        content_type=ContentType.MERGE,
    )
