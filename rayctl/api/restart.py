"""What asks for a restart of Ray although no pod's definition changed.

The legacy operators restarted a cluster when its labels changed (``try: again``), and their sample file put
that word among the annotations; both count here. Prefixed ones are other tools' business and do not, but for
two of ours: ``cluster.ray.io/restartedAt`` restarts the whole cluster, ``restarted-at.cluster.ray.io/<type>``
the pods of one type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rayctl.api.document import Reader
from rayctl.api.names import ANNOTATION_RESTARTED_AT, PREFIX_TYPE_RESTARTED_AT, TypeName


@dataclass(frozen=True, slots=True)
class RestartMarks:
    """A cluster's marks: pods that were made under others are outdated. Values mean themselves only."""

    whole: tuple[tuple[str, str], ...] = ()
    """Of all pods, sorted: (``label try``, ``again``) …"""
    by_type: tuple[tuple[TypeName, str], ...] = ()
    """Of one pod type each, sorted."""

    def of_type(self, name: TypeName) -> tuple[tuple[str, str], ...]:
        """Return all marks that the pods of a type are made under."""
        own = tuple(("type", value) for kind, value in self.by_type if kind == name)
        return (*self.whole, *own)


NO_MARKS = RestartMarks()


def parse_marks(metadata: Reader) -> RestartMarks:
    """Return the marks that a RayCluster's metadata carry."""
    labels, annotations = metadata.strings("labels"), metadata.strings("annotations")
    whole = [*_bare("label", labels), *_bare("annotation", annotations)]
    by_type = []
    for key, value in annotations.items():
        if key == ANNOTATION_RESTARTED_AT:
            whole.append(("restartedAt", value))
        elif key.startswith(PREFIX_TYPE_RESTARTED_AT):
            by_type.append((TypeName(key.removeprefix(PREFIX_TYPE_RESTARTED_AT)), value))
    return RestartMarks(tuple(sorted(whole)), tuple(sorted(by_type)))


def _bare(kind: str, entries: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(f"{kind} {key}", value) for key, value in entries.items() if "/" not in key]
