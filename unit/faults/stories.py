"""Histories for the checker's tests, written as they would be told: one call a thing that happens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from e2e.faults.history import Change, Fault, History, Lease, Pod, RayCluster, Request, Service, Thing

A, B = "operator-0_a", "operator-1_b"
HAND = "kubectl/v1"


def agent(who: str) -> str:
    """Return the user agent of a replica; others are their own."""
    return f"rayctl/1 ({who})" if who.startswith("operator-") else who


class Tale:
    """What happens, each half a second after the one before it. ``at`` puts the clock elsewhere."""

    def __init__(self) -> None:
        self.at = 0.0
        self._revision = 0
        self._now: dict[tuple[str, str], Thing] = {}
        self._changes: list[Change] = []
        self._requests: list[Request] = []

    def history(self) -> History:
        """Return all of it."""
        return History(tuple(self._changes), tuple(self._requests), (Fault(0.0, "none"),))

    def lease(self, holder: str, by: str | None = None, *, noted: bool = True) -> None:
        """Have a holder be written into the Lease, by itself where nobody else is named."""
        self._store(("leases", "ray-operator"), Lease(holder, 3.0), "update", by or holder, noted=noted)

    def lease_deleted(self, by: str = HAND) -> None:
        """Have the Lease be deleted."""
        self._store(("leases", "ray-operator"), None, "delete", by)

    def cluster(self, name: str = "c", workers: int = 2, **changes: Any) -> None:
        """Have a user make or edit a RayCluster with a head and so many workers of type a."""
        key = ("rayclusters", name)
        before = self._now.get(key)
        generation = before.generation + 1 if isinstance(before, RayCluster) else 1
        pod = {"spec": {"containers": [{"image": "ray:1"}]}}
        spec = {
            "headPodType": "head",
            "podTypes": [
                {"name": "head", "podConfig": pod},
                {"name": "a", "minWorkers": workers, "podConfig": pod},
            ],
            **changes,
        }
        made = RayCluster(f"uid-{name}", name, generation, spec)
        self._store(key, made, "update" if before else "create", HAND)

    def status(self, name: str = "c", by: str = A, **fields: Any) -> None:
        """Have a replica write a status."""
        before = self._now["rayclusters", name]
        assert isinstance(before, RayCluster)
        self._store(("rayclusters", name), replace(before, status=fields), "patch", by)

    def cluster_deleted(self, name: str = "c") -> None:
        """Have a RayCluster be gone."""
        self._store(("rayclusters", name), None, "delete", HAND)

    def pod(
        self, name: str, by: str = A, *, place: int = 0, kind: str = "a", noted: bool = True, **fields: Any
    ) -> None:
        """Have a pod of cluster c be made, running at once."""
        role = "head" if kind == "head" else "worker"
        made = Pod(f"uid-{name}", name, "uid-c", role, kind, str(place), "ray:1", ready=True)
        self._store(("pods", name), replace(made, **fields), "create", by, noted=noted)

    def change_pod(self, name: str, by: str, *, noted: bool = True, **fields: Any) -> None:
        """Have a pod be changed, or be on its way out (``leaving=True``)."""
        before = self._now["pods", name]
        assert isinstance(before, Pod)
        verb = "delete" if "leaving" in fields else "patch"
        self._store(("pods", name), replace(before, **fields), verb, by, noted=noted)

    def pod_gone(self, name: str, by: str = "kwok/1") -> None:
        """Have a pod be no more."""
        self._store(("pods", name), None, "delete", by)

    def service(self, owner: str) -> None:
        """Have a head's Service be made."""
        self._store(("services", "s"), Service("uid-s", "s", owner), "patch", A)

    def _store(
        self, key: tuple[str, str], after: Thing | None, verb: str, by: str, *, noted: bool = True
    ) -> None:
        self.at += 0.5
        self._revision += 1
        before = self._now.pop(key, None)
        if after is not None:
            self._now[key] = after
        self._changes.append(Change(self._revision, self.at, key, before, after))
        if noted:
            where = (key[0], key[1], self.at - 0.02, self.at - 0.01)
            code = 201 if verb == "create" else 200
            self._requests.append(Request(agent(by), verb, *where, code, self._revision))

    def patched_in_vain(self, resource: str, name: str, by: str = HAND) -> None:
        """Have a patch change nothing: the answer has the revision of whoever changed the object last."""
        self.at += 0.5
        where = (resource, name, self.at - 0.02, self.at - 0.01)
        self._requests.append(Request(agent(by), "patch", *where, 200, self._revision))

    def refused(self, verb: str, resource: str, by: str) -> None:
        """Have a request be refused: it leaves no trace but in the audit log."""
        self.at += 0.5
        self._requests.append(Request(agent(by), verb, resource, "x", self.at - 0.02, self.at - 0.01, 409))
