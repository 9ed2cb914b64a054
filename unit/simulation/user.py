"""What people do to RayClusters, as edits of their documents."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from rayctl.api.names import ANNOTATION_RESTARTED_AT, PREFIX_TYPE_RESTARTED_AT
from unit.builders import a_cluster_document, a_pod_config
from unit.fakes.objects import Object, Place
from unit.simulation.server import NAMESPACE, Server

STRATEGIES: tuple[Object, ...] = (
    {"type": "RollingUpdate"},
    {"type": "RollingUpdate", "maxUnavailable": 0, "maxSurge": 1},
    {"type": "RollingUpdate", "maxUnavailable": 1, "maxSurge": "50%"},
    {"type": "Recreate"},
    {"type": "OnDelete"},
)

_NONSENSE = "no-such-type"


class User:
    """Edits the RayClusters of a server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._edits = 0

    def create(self, name: str, workers: int, **spec: Any) -> None:
        """Have a cluster with so many workers of type ``worker-node``, unless the name is taken."""
        if self._server.find_cluster(name) is None:
            document = a_cluster_document(
                workers, name=name, **{"maxWorkers": 8, "idleTimeoutMinutes": 0.5, **spec}
            )
            self._server.objects.create(_place(name), document)

    def delete(self, name: str) -> None:
        """Delete a cluster; Kubernetes collects what it owned afterwards."""
        if self._server.find_cluster(name) is not None:
            self._server.objects.delete(_place(name), {})

    def set(self, name: str, key: str, value: Any) -> None:
        """Set a field of the spec."""
        self._edit(name, lambda document: document["spec"].update({key: value}))

    def scale(self, name: str, which: int, least: int, most: int | None) -> None:
        """Change how many workers a type has."""

        def scaled(document: Object) -> None:
            kind = _type(document, which)
            kind["minWorkers"] = least
            kind.pop("maxWorkers", None)
            if most is not None:
                kind["maxWorkers"] = most

        self._edit(name, scaled)

    def change_pods(self, name: str, which: int) -> None:
        """Change the pods of a type."""
        self._edits += 1
        config = a_pod_config(image=f"ray:{self._edits}")
        self._edit(name, lambda document: _type(document, which).update({"podConfig": config}))

    def set_strategy(self, name: str, which: int | None, strategy: Object) -> None:
        """Change how edits are rolled out: of one type, or of the cluster."""

        def changed(document: Object) -> None:
            target = document["spec"] if which is None else _type(document, which)
            target["upgradeStrategy"] = dict(strategy)

        self._edit(name, changed)

    def add_type(self, name: str, kind: str, workers: int, hosts: int) -> None:
        """Add a type, unless there are many or it is there."""

        def added(document: Object) -> None:
            kinds = document["spec"]["podTypes"]
            if len(kinds) < 4 and all(one["name"] != kind for one in kinds):
                numbers = {"minWorkers": workers, "numOfHosts": hosts}
                kinds.append({"name": kind, **numbers, "podConfig": a_pod_config()})

        self._edit(name, added)

    def remove_type(self, name: str, which: int) -> None:
        """Remove a type that is not the head's."""

        def removed(document: Object) -> None:
            kind = _type(document, which)
            if kind["name"] != document["spec"]["headPodType"] and len(document["spec"]["podTypes"]) > 1:
                document["spec"]["podTypes"].remove(kind)

        self._edit(name, removed)

    def rename_type(self, name: str, which: int, kind: str) -> None:
        """Give a type another name; the head's type stays the head's."""

        def renamed(document: Object) -> None:
            spec, one = document["spec"], _type(document, which)
            if all(other["name"] != kind for other in spec["podTypes"]):
                if spec["headPodType"] == one["name"]:
                    spec["headPodType"] = kind
                one["name"] = kind

        self._edit(name, renamed)

    def restart(self, name: str, how: int) -> None:
        """Ask for a restart, in one of the ways there are."""
        self._edits += 1
        value = str(self._edits)

        def marked(document: Object) -> None:
            metadata = document["metadata"]
            match how % 3:
                case 0:
                    metadata["labels"] = (metadata.get("labels") or {}) | {"try": value}
                case 1:
                    key = ANNOTATION_RESTARTED_AT
                    metadata["annotations"] = (metadata.get("annotations") or {}) | {key: value}
                case _:
                    key = PREFIX_TYPE_RESTARTED_AT + _type(document, how)["name"]
                    metadata["annotations"] = (metadata.get("annotations") or {}) | {key: value}

        self._edit(name, marked)

    def spoil(self, name: str) -> None:
        """Write what cannot be understood: the head's type is none of the types."""
        self.set(name, "headPodType", _NONSENSE)

    def is_nonsense(self, name: str) -> bool:
        """Return whether a cluster's spec cannot be understood."""
        now = self._server.find_cluster(name)
        return now is not None and now["spec"]["headPodType"] == _NONSENSE

    def mend(self, name: str) -> None:
        """Take back what cannot be understood."""

        def mended(document: Object) -> None:
            spec = document["spec"]
            if spec["headPodType"] == _NONSENSE:
                spec["headPodType"] = spec["podTypes"][0]["name"]

        self._edit(name, mended)

    def _edit(self, name: str, change: Callable[[Object], None]) -> None:
        now = self._server.find_cluster(name)
        if now is not None:
            document = deepcopy(now)
            change(document)
            self._server.objects.update(_place(name), document)


def _place(name: str) -> Place:
    return Place("rayclusters", NAMESPACE, name)


def _type(document: Object, which: int) -> Object:
    kinds: list[Object] = document["spec"]["podTypes"]
    return kinds[which % len(kinds)]
