"""The command line: ``rayctl`` and, under kubectl, ``kubectl raycluster``.

Each command is a module of :mod:`rayctl.cli.commands` that is imported when it is asked for, so that
``--help`` and quick commands do not pay for the operator.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Protocol

from rayctl.cli.exits import Exit

_COMMANDS = {
    "autoscaler": "show what a RayCluster is scaled to and why, or explain what would come of a demand",
    "operator": "run the operator: reconcile the RayClusters of one namespace, of several, or of all",
    "version": "print the version",
}


class Command(Protocol):
    """What a module of :mod:`rayctl.cli.commands` offers."""

    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's flags."""

    def run(self, flags: argparse.Namespace) -> Exit:
        """Do it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="rayctl",
        description="Autoscaling Ray clusters on Kubernetes, described by RayClusters (cluster.ray.io/v1).",
        epilog="rayctl COMMAND --help tells more about a command. Exit codes: 0 done, 1 failed, "
        "2 wrong usage or no cluster to talk to, 3 no such RayCluster.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in _COMMANDS.items():
        wanted = name in words[:1]
        sub = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if wanted:
            command = _load(name)
            command.add_flags(sub)
            sub.set_defaults(run=command.run, parser=sub)
    flags, unknown = parser.parse_known_args(words)
    if unknown:  # told with the command's own usage
        command = flags.parser
        command.error(f"unrecognized arguments: {' '.join(unknown)}; {command.prog} --help lists them")
    return int(flags.run(flags))


def _load(name: str) -> Command:
    module: Command = importlib.import_module(f"rayctl.cli.commands.{name}")
    return module
