"""Which Ray an image has, where its tag says so."""

from __future__ import annotations

import re
from typing import TypeAlias

from rayctl.api.document import Reader
from rayctl.api.raycluster import PodType

Version: TypeAlias = tuple[int, ...]

HEALTH_OF_ALL: Version = (2, 53)
"""The oldest whose agent answers at ``/api/healthz``, for the raylet and, on the head, the GCS."""

OLDEST_SCALED: Version = (2, 7)
"""The oldest whose GCS tells an autoscaler outside of the head what waits."""

OLDEST_WITH_AGENT: Version = (2,)
"""The oldest whose agent tells of any health."""

_IMAGE = re.compile(r"/ray(?:-ml|-llm)?:(\d+(?:\.\d+){1,2})(?![\d.])")


def image_version(pod_type: PodType) -> Version | None:
    """Return the version that the tag of Ray's own image begins with; None: there is no telling."""
    container = Reader(pod_type.pod).inner("spec").each("containers")[0]
    found = _IMAGE.search(container.text("image"))
    return tuple(map(int, found[1].split("."))) if found else None


def is_older(version: Version | None, than: Version) -> bool:
    """Return whether a version is known and before another."""
    return version is not None and version < than


def version_text(version: Version) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version))
