"""What a fake API server holds: versioned objects, their history, and the rules of writing to them.

A fake, to show faults that a real API server cannot be made to show. The contract tests (e2e/contract/) run
against it and against the real one, so that it cannot lie about what they cover. It validates next to nothing.
"""

import copy
import re
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from rayctl.clock import Clock, SystemClock

Object = dict[str, Any]
_GRACE = 30  # seconds
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class Place(NamedTuple):
    """Where an object is."""

    plural: str
    namespace: str
    name: str = ""


class Change(NamedTuple):
    """One entry of the history. ``before`` or ``after`` is None where the object was not there."""

    version: int
    place: Place
    before: Object | None
    after: Object | None


class RefusalError(Exception):
    """The server's no, as a Status."""

    def __init__(self, code: int, reason: str, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "code": code,
            "reason": reason,
            "message": message,
            "details": {"causes": [{"field": field} for field in fields]},
        }


class Objects:
    """All objects of all resources, under one version counter as in etcd."""

    def __init__(
        self, clock: Clock | None = None, new_uid: Callable[[], str] = lambda: str(uuid.uuid4())
    ) -> None:
        self._clock = clock or SystemClock()
        self._new_uid = new_uid
        self.version = 10
        self.oldest = 10
        """The oldest version from which the history is still there."""
        self.history: list[Change] = []
        self.on_change: Callable[[], None] = lambda: None
        self._now: dict[Place, Object] = {}

    def compact(self) -> None:
        """Forget the history up to now."""
        self.oldest = self.version + 1
        self.version += 1

    def get(self, place: Place) -> Object:
        if place not in self._now:
            raise RefusalError(404, "NotFound", f'{place.plural} "{place.name}" not found')
        return self._now[place]

    def list_of(self, plural: str, namespace: str) -> list[Object]:
        return [
            document
            for place, document in sorted(self._now.items())
            if place.plural == plural and namespace in {"", place.namespace}
        ]

    def create(self, place: Place, document: Object) -> Object:
        place = place._replace(name=document["metadata"]["name"])
        if place in self._now:
            raise RefusalError(409, "AlreadyExists", f'{place.plural} "{place.name}" already exists')
        made = copy.deepcopy(document)
        made["metadata"] |= {
            "namespace": place.namespace,
            "uid": self._new_uid(),
            "creationTimestamp": stamp(self._clock.wall()),
            "generation": 1,
        }
        if place.plural == "pods":
            made["status"] = {"phase": "Pending"}
        if place.plural == "rayclusters":
            made.pop("status", None)
        return self._store(place, made)

    def update(self, place: Place, document: Object) -> Object:
        asked = document["metadata"].get("resourceVersion")
        return self._change(place, lambda _: copy.deepcopy(document), asked=asked)

    def merge(self, place: Place, changes: Object, *, status: bool = False) -> Object:
        asked = changes.get("metadata", {}).get("resourceVersion")
        return self._change(place, lambda now: _merged(now, changes), status=status, asked=asked)

    def patch(self, place: Place, operations: list[Object], *, status: bool = False) -> Object:
        def patched(now: Object) -> Object:
            for operation in operations:
                *parents, key = operation["path"].strip("/").split("/")
                target = now
                for parent in parents:
                    target = target[parent]
                if operation["op"] == "test" and target.get(key) != operation["value"]:
                    words = "the server rejected our request due to an error in our request"
                    raise RefusalError(422, "Invalid", words)
                if operation["op"] == "add":
                    target[key] = operation["value"]
            return now

        return self._change(place, patched, status=status)

    def apply(self, place: Place, manifest: Object) -> Object:
        return self.merge(place, manifest) if place in self._now else self.create(place, manifest)

    def delete(self, place: Place, options: Object) -> Object:
        now = self.get(place)
        uid = now["metadata"]["uid"]
        wanted = options.get("preconditions", {}).get("uid", uid)
        if wanted != uid:
            words = f"the UID in the precondition ({wanted}) does not match the UID in record ({uid})"
            raise RefusalError(409, "Conflict", words)
        if now.get("status", {}).get("phase") in {"Succeeded", "Failed"}:
            # The real one removes an ended pod at once and answers with it as it was, unmarked.
            self._remove(place, copy.deepcopy(now))
            return now
        grace = options.get(
            "gracePeriodSeconds", now.get("spec", {}).get("terminationGracePeriodSeconds", _GRACE)
        )
        ends = stamp(self._clock.wall() + timedelta(seconds=grace))
        marked = copy.deepcopy(now)
        # A second delete may shorten the time to end, and never lengthens it.
        marked["metadata"]["deletionTimestamp"] = min(ends, now["metadata"].get("deletionTimestamp", ends))
        if marked == now and grace:
            return now
        if now.get("spec", {}).get("nodeName") and grace:
            return self._store(place, marked)
        return self._remove(place, marked)

    def _remove(self, place: Place, last: Object) -> Object:
        self.version += 1
        last["metadata"]["resourceVersion"] = str(self.version)
        del self._now[place]
        self.history.append(Change(self.version, place, last, None))
        self.on_change()
        return last

    def _change(
        self,
        place: Place,
        change: Callable[[Object], Object],
        *,
        status: bool = False,
        asked: str | None = None,
    ) -> Object:
        now = self.get(place)
        if asked is not None and asked != now["metadata"]["resourceVersion"]:
            raise RefusalError(409, "Conflict", f"{place.name}: the object has been modified")
        wanted = change(copy.deepcopy(now))
        if place.plural == "rayclusters" and status:
            wanted = now | {"status": wanted.get("status")}
        elif place.plural == "rayclusters":
            wanted.pop("status", None)
            if "status" in now:
                wanted["status"] = now["status"]
        fixed = {key: now["metadata"][key] for key in ("uid", "namespace", "name", "creationTimestamp")}
        wanted["metadata"] = wanted["metadata"] | fixed
        if wanted == now:
            return now
        if wanted.get("spec") != now.get("spec"):
            wanted["metadata"]["generation"] = now["metadata"]["generation"] + 1
        return self._store(place, wanted)

    def _store(self, place: Place, document: Object) -> Object:
        _validate(place, document)
        self.version += 1
        document["metadata"] = document["metadata"] | {"resourceVersion": str(self.version)}
        self.history.append(Change(self.version, place, self._now.get(place), document))
        self._now[place] = document
        self.on_change()
        return document


def stamp(moment: datetime) -> str:
    """Return a moment as the API writes it: in whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _validate(place: Place, document: Object) -> None:
    if place.plural == "pods" and not document["spec"].get("containers"):
        words = f'Pod "{place.name}" is invalid: spec.containers: Required value'
        raise RefusalError(422, "Invalid", words, ("spec.containers",))
    if place.plural == "leases":
        for key in ("acquireTime", "renewTime"):
            value = document["spec"].get(key)
            if value is not None and not _MICRO_TIME.fullmatch(value):
                raise RefusalError(400, "BadRequest", f"{key}: {value} is no MicroTime")
        if document["spec"].get("leaseDurationSeconds", 1) < 1:
            raise RefusalError(422, "Invalid", "must be greater than 0", ("spec.leaseDurationSeconds",))


def _merged(target: Any, changes: Any) -> Any:
    if not isinstance(changes, dict):
        return copy.deepcopy(changes)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result
