"""`python -m e2e.cluster up|down|status|shell-env`: a cluster to play with, from a terminal."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence

from e2e.cluster.interface import BedError, Profile
from e2e.cluster.lifecycle import Wanted, bed_names, bring_up, find_bed, held, take_down
from e2e.cluster.local import LocalCluster
from e2e.cluster.progress import Progress

DEFAULT_NAME = "bed"
DEFAULT_NODES = 4  # of two CPUs each: room for the walkthrough's six


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code (1: could not, 2: wrong usage)."""
    options = _parser().parse_args(arguments)
    progress = Progress()
    try:
        match options.command:
            case "up":
                _refuse_other_providers()
                with held(options.name):
                    wanted = Wanted(options.profile, options.nodes, options.fake_nodes)
                    cluster = bring_up(options.name, wanted, progress)
                print(f"export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}")
                print(f"# or, with a kubectl: {shell_environment_of(options.name)}")
            case "down":
                with held(options.name):
                    take_down(options.name, progress)
            case "status":
                return _status()
            case "shell-env":
                print(_shell_environment(_get_bed(options.name)))
    except KeyboardInterrupt:
        print("\ninterrupted: `up` again goes on, `down` removes what there is", file=sys.stderr)
        return 130
    except BedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m e2e.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start a bed, or reuse the healthy one of that name")
    up.add_argument("--profile", type=Profile, choices=list(Profile), default=Profile.NODES)
    up.add_argument(
        "--nodes", type=int, default=DEFAULT_NODES, metavar="N", help="how many (default %(default)s)"
    )
    up.add_argument("--fake-nodes", type=int, default=0, metavar="N", help="by KWOK, with profile apiserver")
    down = commands.add_parser("down", help="remove a bed, or what is left of one")
    commands.add_parser("status", help="say which beds there are and what runs of each")
    environment = commands.add_parser("shell-env", help="print KUBECONFIG and PATH for `eval`")
    for command in (up, down, environment):
        command.add_argument("--name", default=DEFAULT_NAME, help="which bed (default %(default)s)")
    return parser


def _refuse_other_providers() -> None:
    asked = os.environ.get("CLUSTER", "local")
    if asked != "local":
        raise BedError(
            f"CLUSTER={asked}: from the terminal only beds of this machine (`local`) are made; "
            "an existing cluster needs none, and k3s ends with the program that opened it"
        )


def _get_bed(name: str) -> LocalCluster:
    cluster = find_bed(name)
    if cluster is None:
        raise BedError(f"there is no bed {name!r}; make one with `up`")
    return cluster


def shell_environment_of(name: str) -> str:
    """Return what to type for KUBECONFIG, and for the bed's own kubectl on PATH."""
    return f'eval "$(.venv/bin/python -m e2e.cluster shell-env --name {name})"'


def _shell_environment(cluster: LocalCluster) -> str:
    environment = cluster.environment
    return "\n".join(f"export {name}={shlex.quote(environment[name])}" for name in ("KUBECONFIG", "PATH"))


def _status() -> int:
    names = bed_names()
    if not names:
        print("no beds")
    for name in names:
        for line in _get_bed(name).describe():
            print(line)
    return 0
