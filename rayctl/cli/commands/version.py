"""``rayctl version``."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version

from rayctl.cli.exits import Exit


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add nothing: there is nothing to choose."""
    del parser


def run(flags: argparse.Namespace) -> Exit:
    """Print the version of this package."""
    del flags
    sys.stdout.write(f"rayctl {version('rayctl')}\n")
    return Exit.DONE
