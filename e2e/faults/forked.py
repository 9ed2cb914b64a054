"""What a replica's process runs: the operator, or one that is broken on purpose.

Processes are forked from one that has imported all of this already (multiprocessing's fork server). It is the
same code in a process of its own, without the second and a half of processor time that its imports take: a run
starts thousands.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import StrEnum
from pathlib import Path
from unittest.mock import patch

import rayctl.cli.commands.operator  # noqa: F401  # `main` imports it when it is asked for
from rayctl.api.names import PodName
from rayctl.cli.main import main
from rayctl.core.build import pod
from rayctl.kube.client import CALL_TIMEOUT
from rayctl.kube.writer import Writer
from rayctl.manager.leadership import Leadership, Work


class Make(StrEnum):
    """Which operator; the broken ones are there for the checker to be found out by it."""

    SOUND = "sound"
    WITHOUT_FENCE = "its work ends a second late, and its writer does not ask whether the lease still holds"
    RANDOM_NAMES = "each attempt to make a pod gives it another name"


def operate(make: Make, name: str, kubeconfig: Path, log: Path, flags: tuple[str, ...]) -> None:
    """Be an operator until a signal ends it."""
    with log.open("ab", buffering=0) as sink:
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
    os.environ["POD_NAME"] = name
    with _MAKES[make]():
        sys.exit(main(["operator", f"--kubeconfig={kubeconfig}", "--health-port=0", *flags]))


@contextmanager
def _without_fence() -> Iterator[None]:
    stop = Leadership._stop  # noqa: SLF001  # broken on purpose, and no hook for it in the product

    async def hold(_leadership: Leadership, lead: Work, barrier: Work) -> None:
        await barrier()
        await lead()

    async def stop_late(leadership: Leadership, why: str) -> None:
        await asyncio.sleep(1)
        await stop(leadership, why)

    with (
        patch.object(Writer, "_check", lambda _writer, _call: CALL_TIMEOUT),
        patch.object(Leadership, "_hold", hold),
        patch.object(Leadership, "_stop", stop_late),
    ):
        yield


@contextmanager
def _random_names() -> Iterator[None]:
    with patch.object(pod, "pod_name", lambda prefix, *_: PodName(prefix + secrets.token_hex(3))):
        yield


_MAKES: dict[Make, Callable[[], AbstractContextManager[None]]] = {
    Make.SOUND: nullcontext,
    Make.WITHOUT_FENCE: _without_fence,
    Make.RANDOM_NAMES: _random_names,
}
