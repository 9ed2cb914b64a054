"""Runs kubectl, which every provider of a cluster does in the same way."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from e2e.cluster.interface import BedError


def environment_for(kubeconfig: Path, programs: Path | None = None) -> Mapping[str, str]:
    """This process' environment with KUBECONFIG, and `programs` first on PATH."""
    path = os.environ.get("PATH", os.defpath)
    return {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "PATH": f"{programs}{os.pathsep}{path}" if programs else path,
    }


def run_kubectl(
    environment: Mapping[str, str],
    arguments: Sequence[str],
    stdin: str | None,
    *,
    check: bool,
    timeout: float,
) -> subprocess.CompletedProcess[str]:
    """Run kubectl with captured output; raises `BedError` with its own words when `check` and it fails."""
    done = subprocess.run(
        ["kubectl", *arguments],
        env=environment,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check and done.returncode != 0:
        raise BedError(f"kubectl {' '.join(arguments)} exited with {done.returncode}: {done.stderr.strip()}")
    return done
