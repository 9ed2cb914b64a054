"""`make demo`: the whole of the main job on a real Kubernetes, each command shown as a person would type it.

Needs nothing prepared. KEEP=1 leaves the cluster and the Ray clusters standing. The exit code tells whether
all went well.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from e2e.cluster import open_cluster
from e2e.cluster.cli import shell_environment_of
from e2e.cluster.image_recipes import Kind
from e2e.cluster.images import ensure
from e2e.cluster.interface import BedError, Cluster, Profile
from e2e.terminal import REPOSITORY, StepError, Terminal
from e2e.walkthrough import Walkthrough

NODES = 5
"""Of two CPUs each: the walkthrough's six Ray pods ask for one each, and share them with operator and DNS."""


def main() -> int:
    """Run the demo; return its exit code."""
    keep = bool(os.environ.get("KEEP"))
    try:
        with open_cluster(name="demo", profile=Profile.NODES, nodes=NODES, keep=keep) as cluster:
            for kind in (Kind.RAY, Kind.OPERATOR):
                cluster.push_image(ensure(kind))
            return _show(cluster, keep=keep)
    except BedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; what was started is stopped", file=sys.stderr)
        return 130


def _show(cluster: Cluster, *, keep: bool) -> int:
    terminal = Terminal(cluster.environment)
    walkthrough = Walkthrough(terminal)
    try:
        walkthrough.install()
        walkthrough.launch()
        walkthrough.run_programs()
        walkthrough.read_logs()
        walkthrough.update()
        walkthrough.scale()
        if keep:
            terminal.heading("Left standing, as KEEP=1 asks")
            print(f"export KUBECONFIG={cluster.kubeconfig}")
            print(f"# or, with a kubectl: {shell_environment_of(cluster.name)}")
            print(f"make bed-down NAME={cluster.name}   # when you are done")
            return 0
        walkthrough.clean_up()
    except Exception as error:
        cluster.gather(REPOSITORY / "failures" / "demo")
        print(f"\nFAILED: {error}\nlogs, Events and pods: {Path('failures') / 'demo'}", file=sys.stderr)
        if not isinstance(error, StepError):
            raise  # a fault of the demo's own: its traceback helps
        return 1
    terminal.heading("Done: all of it worked")
    return 0


if __name__ == "__main__":
    sys.exit(main())
