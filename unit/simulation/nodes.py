"""The simulated scheduler and kubelet: pods are placed, start, become ready, end, and hang where nodes are lost."""

import asyncio
from itertools import count
from typing import Any

from rayctl.api.moment import Seconds
from rayctl.api.names import Role
from rayctl.api.observed import PodView
from rayctl.core.reconcile.slots import session_of
from unit.fakes.objects import Change, Object, stamp
from unit.simulation.ray import Ray
from unit.simulation.server import Server

_PLACED_AFTER: Seconds = 0.1
_STARTS_AFTER: Seconds = 0.5
_READY_AFTER: Seconds = 1.0
_LOOKS_AGAIN: Seconds = 2.0
_ENDS_AFTER: Seconds = 0.7
_PROBED_WITHIN: Seconds = 5.0
_LASTS_WITHOUT_HEAD: Seconds = 60.0


class Nodes:
    """What happens to pods by itself, and what tests have happen to them."""

    def __init__(self, server: Server, ray: Ray, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._ray = ray
        self._loop = loop
        self._numbers = count(1)
        self.full_until: Seconds = -1.0
        """Nothing can be placed until then."""
        self.hanging: set[str] = set()
        """UIDs of pods that do not end, though they were told to."""
        self.unwell: dict[str, Seconds] = {}
        """UIDs of pods whose probe fails, and until when."""
        self._lives: dict[str, str] = {}
        """Of each head's IP, the session that workers were made for."""
        server.subscribers.append(self._changed)
        ray.on_left = self._left

    def end(self, pod: PodView, phase: str, reason: str = "") -> None:
        """Have a pod's containers end for good."""
        now = self._server.find_pod(pod.name, pod.uid)
        if now is None or now.finished or not now.node:
            return
        self._server.change_pod(
            pod, {"status": {"phase": phase, "reason": reason, "conditions": _ready("False", self._now)}}
        )
        self._gone(pod)

    def restart(self, pod: PodView) -> None:
        """Have Ray's container start again in place; a head forgets all that it knew."""
        now = self._server.find_pod(pod.name, pod.uid)
        if now is None or not now.started or now.finished:
            return
        self._gone(now)
        self._run(now, now.restarts + 1)

    def fail_probe(self, pod: PodView, seconds: Seconds) -> None:
        """Have a pod not be ready for a while."""
        if pod.started:
            self.unwell[pod.uid] = self._loop.time() + seconds
            self._set_ready(pod, ready=False)
            self._loop.call_later(seconds + 0.1, self._become_ready, pod.name, pod.uid)

    def lose_node(self, pod: PodView) -> None:
        """Have a pod's machine vanish: it is not ready, does not end, and Ray notices."""
        if pod.node:
            self.hanging.add(pod.uid)
            self.unwell[pod.uid] = float("inf")
            self._set_ready(pod, ready=False)
            self._loop.call_later(_PROBED_WITHIN, self._gone, pod)

    def release(self) -> None:
        """Have all that hangs in Terminating end, and lost machines be taken out of the cluster with their pods."""
        lost, self.hanging = self.hanging, set()
        self.full_until = -1.0
        for pod in list(self._server.pods.values()):
            if pod.uid in lost and pod.deleting:
                self._server.delete_pod(pod, grace=0)
            elif self.unwell.pop(pod.uid, None) is not None:
                self.end(pod, "Failed", "NodeLost") if pod.uid in lost else self._become_ready(
                    pod.name, pod.uid
                )

    @property
    def _now(self) -> str:
        return stamp(self._server.clock.wall())

    def _changed(self, change: Change) -> None:
        if change.place.plural != "pods":
            return
        before, after = change.before, change.after
        if after is None:
            if before is not None and before["status"].get("podIP"):
                self._ray.lose(change.place.name)
                self._ray.stop(before["status"]["podIP"])
            return
        name, uid = change.place.name, after["metadata"]["uid"]
        if before is None:
            self._loop.call_later(_PLACED_AFTER, self._place, name, uid)
        elif "deletionTimestamp" in after["metadata"] and "deletionTimestamp" not in before["metadata"]:
            self._loop.call_later(_ENDS_AFTER, self._stop, name, uid)

    def _place(self, name: str, uid: str) -> None:
        pod = self._server.find_pod(name, uid)
        if pod is None or pod.node or pod.finished:
            return
        if self._loop.time() < self.full_until:
            told = {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": "no room",
            }
            if not pod.reason:
                self._server.change_pod(pod, {"status": {"conditions": [told]}})
            self._loop.call_later(_LOOKS_AGAIN, self._place, name, uid)
            return
        self._server.change_pod(pod, {"spec": {"nodeName": f"machine-{next(self._numbers)}"}})
        self._loop.call_later(_STARTS_AFTER, self._start, name, uid)

    def _start(self, name: str, uid: str) -> None:
        pod = self._server.find_pod(name, uid)
        if pod is not None and not pod.finished and not pod.deleting:
            self._run(pod, 0)

    def _run(self, pod: PodView, restarts: int) -> None:
        number = next(self._numbers)
        ip = pod.ip or f"10.0.{number // 256}.{number % 256}"
        container = {
            "name": "ray-node",
            "restartCount": restarts,
            "state": {"running": {"startedAt": self._now}},
        }
        self._server.change_pod(
            pod,
            {
                "status": {
                    "phase": "Running",
                    "reason": "",
                    "podIP": ip,
                    "conditions": _ready("False", self._now),
                    "containerStatuses": [container],
                }
            },
        )
        if pod.role is Role.HEAD:
            self._ray.start(ip)
            self._lives[f"{pod.uid}.{restarts}"] = ip
            self._ray.join(ip, pod.name, pod.pod_type)
            self._loop.call_later(_READY_AFTER, self._become_ready, pod.name, pod.uid)
        else:
            self._loop.call_later(_READY_AFTER, self._join, pod.name, pod.uid, restarts)

    def _join(self, name: str, uid: str, start: int) -> None:
        """Have a worker join its head, or look for it again; after a minute in vain it ends."""
        pod = self._server.find_pod(name, uid)
        if pod is None or pod.finished or pod.deleting or pod.restarts != start:
            return
        store = self._ray.stores.get(self._lives.get(pod.session, ""))
        if store is not None:
            self._ray.join(self._lives[pod.session], pod.name, pod.pod_type)
            self._loop.call_later(_READY_AFTER, self._become_ready, name, uid)
        elif self._server.clock.wall().timestamp() - pod.started > _LASTS_WITHOUT_HEAD:
            self.end(pod, "Failed", "Error")
        else:
            self._loop.call_later(_LOOKS_AGAIN, self._join, name, uid, start)

    def _become_ready(self, name: str, uid: str) -> None:
        pod = self._server.find_pod(name, uid)
        if pod is None or pod.finished or not pod.started or self.unwell.get(uid, -1.0) > self._loop.time():
            return
        node = self._ray.find(name)
        if node is not None and not node.dead:
            self._set_ready(pod, ready=True)

    def _set_ready(self, pod: PodView, *, ready: bool) -> None:
        if pod.ready != ready:
            self._server.change_pod(pod, {"status": {"conditions": _ready(str(ready), self._now)}})

    def _stop(self, name: str, uid: str) -> None:
        pod = self._server.find_pod(name, uid)
        if pod is not None and uid not in self.hanging:
            self._gone(pod)
            self._server.delete_pod(pod, grace=0)

    def _left(self, name: str) -> None:
        """Ray's processes ended in a pod: so does its container."""
        pod = self._server.pods.get(name)
        if pod is not None and pod.uid not in self.hanging:
            self._loop.call_later(_ENDS_AFTER, self.end, pod, "Failed", "Error")

    def _gone(self, pod: PodView) -> None:
        """Ray's processes in a pod are no more; workers of a head are lost with it."""
        now = self._server.find_pod(pod.name, pod.uid) or pod
        self._ray.lose(pod.name)
        if pod.role is Role.HEAD:
            self._ray.stop(now.ip)
            life = session_of(now)
            for worker in self._server.pods_of(pod.key):
                if worker.session == life and worker.started:
                    self._loop.call_later(_PROBED_WITHIN, self._orphan, worker)

    def _orphan(self, worker: PodView) -> None:
        now = self._server.find_pod(worker.name, worker.uid)
        if now is not None and not now.finished:
            self._set_ready(now, ready=False)
            self._loop.call_later(_LASTS_WITHOUT_HEAD, self.end, worker, "Failed", "Error")


def _ready(status: str, at: str) -> list[Any]:
    scheduled: Object = {"type": "PodScheduled", "status": "True"}
    return [scheduled, {"type": "Ready", "status": status, "lastTransitionTime": at}]
