"""The operator's log: every line about a cluster begins with ``<cluster>:``, tracebacks too.

After the prefix comes the form that the legacy operators' lines had, time, TAB, level, source and text, so
that ``kubectl logs … | grep ^example-cluster2:`` gives the whole story of one cluster and nothing else.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TextIO

from rayctl.api.names import ClusterKey

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter

_FIELD = "cluster"


class Prefix(StrEnum):
    """What stands before the colon: the cluster's name, or name and namespace as from Ray 1.4 on."""

    NAME = "name"
    NAME_NAMESPACE = "name,namespace"


class ClusterLog(_Adapter):
    """A logger whose lines are all about one cluster."""

    def __init__(self, logger: logging.Logger, key: ClusterKey) -> None:
        super().__init__(logger, {_FIELD: key})

    def process(
        self, msg: object, kwargs: MutableMapping[str, Any]
    ) -> tuple[object, MutableMapping[str, Any]]:
        """Attach the cluster to the record."""
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **(self.extra or {})}
        return msg, kwargs


class LineFormatter(logging.Formatter):
    """Renders a record in the legacy form, with the prefix before every one of its lines."""

    def __init__(self, prefix: Prefix) -> None:
        super().__init__("%(asctime)s\t%(levelname)s %(filename)s:%(lineno)s -- %(message)s")
        self._prefix = prefix

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's lines."""
        text = super().format(record)
        key = getattr(record, _FIELD, None)
        if not isinstance(key, ClusterKey):
            return text
        name = key.name if self._prefix is Prefix.NAME else f"{key.name},{key.namespace}"
        return "\n".join(f"{name}:{line}" for line in text.split("\n"))


def configure(level: str, prefix: Prefix, stream: TextIO = sys.stdout) -> None:
    """Send everything that is logged to ``stream``. Foreign libraries speak from WARNING on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter(prefix))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("rayctl").setLevel(level.upper())
