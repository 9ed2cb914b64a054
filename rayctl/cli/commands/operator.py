"""``rayctl operator``: what the operator's pods run."""

from __future__ import annotations

import argparse
import asyncio
import sys

from rayctl.cli.exits import Exit
from rayctl.kube.errors import NoConfiguration
from rayctl.manager import settings as operator_settings
from rayctl.manager.health import PortTaken
from rayctl.manager.main import run_operator
from rayctl.telemetry.logs import configure


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the operator's flags."""
    operator_settings.add_flags(parser)


def run(flags: argparse.Namespace) -> Exit:
    """Run the operator until it is told to stop."""
    try:
        settings = operator_settings.settings_from(flags)
    except operator_settings.SettingsError as error:
        sys.stderr.write(f"rayctl operator: {error}\n")
        return Exit.USAGE
    configure(settings.log_level, settings.log_prefix)
    try:
        asyncio.run(run_operator(settings))
    except (NoConfiguration, PortTaken) as error:
        sys.stderr.write(f"rayctl operator: {error}\n")
        return Exit.USAGE
    return Exit.DONE
