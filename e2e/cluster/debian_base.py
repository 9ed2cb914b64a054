"""The base image where no registry with ``python:3.12-slim`` can be reached: Debian bookworm with its Python.

mmdebstrap makes the root file system without a daemon and, in the same run, fetches the few packages that the
Ray image needs beyond the base, so that no build step asks a package index for anything.
"""

import os
import shutil
from pathlib import Path

from e2e.cluster.commands import run_logged

SUITE = "bookworm"
PYTHON = "3.11"
# libstdc++6: grpc needs it; slim images of Python have it by way of their package manager.
BASE_PACKAGES = ("python3", "python3-venv", "ca-certificates", "libstdc++6")
RAY_PACKAGES = ("libstdc++6", "passwd", "procps", "sudo", "wget")
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")


def base_inputs() -> str:
    """Return all that decides what the base contains, as text for a digest."""
    return "\n".join((SUITE, *BASE_PACKAGES, *RAY_PACKAGES, *_LEFT_OUT))


def make_base(rootfs: Path, packages: Path, log: Path) -> None:
    """Write the root file system to `rootfs` (a tar), and the .deb files that Ray needs beyond to `packages`.

    About 40 s of processor time; needs root. A run that was cut short leaves nothing that a later one trusts:
    `rootfs` appears under its name only when it is whole.

    Raises:
        CommandError: mmdebstrap failed; the message ends with its last lines.
    """
    shutil.rmtree(packages, ignore_errors=True)
    (packages / "partial").mkdir(parents=True)
    unfinished = rootfs.with_suffix(".unfinished.tar")
    fetch = (
        'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --yes --no-install-recommends --download-only '
        '--option Dir::Cache::Archives="$RAY_PACKAGES_FOLDER" install ' + " ".join(RAY_PACKAGES)
    )
    command = (
        "mmdebstrap",
        "--mode=root",
        "--variant=essential",
        f"--include={','.join(BASE_PACKAGES)}",
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT),
        f"--customize-hook={fetch}",
        SUITE,
        str(unfinished),
    )
    run_logged(command, log, env=os.environ | {"RAY_PACKAGES_FOLDER": str(packages.absolute()) + "/"})
    shutil.rmtree(packages / "partial")
    (packages / "lock").unlink(missing_ok=True)
    unfinished.rename(rootfs)
