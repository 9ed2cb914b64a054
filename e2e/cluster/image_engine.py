"""Two programs that build and push images, behind one interface: buildah without a daemon, docker with one.

Images are known to an engine by `localhost/rayctl-<kind>:<digest of the inputs>`; of each kind the newest is
kept. The names that pods use exist in registries only.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from e2e.cluster.commands import run_logged
from e2e.cluster.interface import BedError

Say = Callable[[str], None]
_ZSTD = ("--compression-format=zstd", "--compression-level=1")
PUBLIC_BASE = "python:3.12-slim"
_STEP = re.compile(r"STEP \d+/\d+|#\d+ \[.*\d+/\d+\]")  # as buildah and as docker announce a step


class Engine(Protocol):
    """Builds images from a folder with a Dockerfile, and sends them to registries or into a tar."""

    @property
    def name(self) -> str:
        """How the program is called."""

    def find_image(self, tag: str) -> str | None:
        """The id of the image with this tag; None when there is none."""

    def build(self, context: Path, tag: str, arguments: Mapping[str, str], log: Path, tell: Say) -> None:
        """Build `context`, give the image `tag`, and remove older images with the same name."""

    def push(self, tag: str, destination: str, log: Path) -> None:
        """Send the image to `destination` (`host:port/name:tag`), a registry without TLS."""

    def save(self, tag: str, names: tuple[str, ...], tar: Path, log: Path) -> None:
        """Write the image under `names` as an archive that `docker load` and `ctr image import` read."""


@dataclass(frozen=True, slots=True)
class Buildah:
    """buildah with a storage of its own in `folder`; needs root, but no daemon and no network.

    What it keeps about mounts lies in /run, which is empty after a restart of the machine, as the mounts are.
    """

    folder: Path

    @property
    def name(self) -> str:
        """How the program is called."""
        return "buildah"

    def find_image(self, tag: str) -> str | None:
        """The id of the image with this tag; None when there is none."""
        inspected = subprocess.run(
            [*self._command("inspect"), "--type", "image", "--format", "{{.FromImageID}}", tag],
            capture_output=True,
            text=True,
            check=False,
            env=self._environment(),
        )
        return inspected.stdout.strip() or None if inspected.returncode == 0 else None

    def build(self, context: Path, tag: str, arguments: Mapping[str, str], log: Path, tell: Say) -> None:
        """Build `context`, give the image `tag`, and remove older images with the same name."""
        given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        build = (
            *self._command("bud"),
            "--layers",
            "--pull-never",
            *given,
            f"--tag={tag}",
            str(context),
        )
        run_logged(build, log, env=self._environment(), tell=tell, telling=_STEP)
        for old in self._older(tag):
            run_logged((*self._command("rmi"), "--force", old), log, env=self._environment())

    def push(self, tag: str, destination: str, log: Path) -> None:
        """Send the image to `destination`, with zstd: gzip, the default, takes half as long again."""
        push = (*self._command("push"), "--tls-verify=false", "--format=oci", *_ZSTD)
        run_logged((*push, tag, f"docker://{destination}"), log, env=self._environment())

    def save(self, tag: str, names: tuple[str, ...], tar: Path, log: Path) -> None:
        """Write the image under `names` as an archive that `docker load` and `ctr image import` read."""
        tar.unlink(missing_ok=True)  # the transport adds to an archive that is there
        for name in names:
            push = (*self._command("push"), "--disable-compression", tag, f"docker-archive:{tar}:{name}")
            run_logged(push, log, env=self._environment())

    def _older(self, tag: str) -> tuple[str, ...]:
        """Return ids of images called like `tag` but for its version.

        Images without a name are build stages; they stay, as the next build starts from their layers.
        """
        listed = subprocess.run(
            [*self._command("images"), "--json", "--no-trunc"],
            capture_output=True,
            check=True,
            env=self._environment(),
        )
        name = tag.rpartition(":")[0]
        known = [(image["id"], image.get("names") or ()) for image in json.loads(listed.stdout)]
        return tuple(
            image_id
            for image_id, names in known
            if names and all(other != tag and other.rpartition(":")[0] == name for other in names)
        )

    def _command(self, verb: str) -> tuple[str, ...]:
        """Return buildah with its storage: overlay unless the folder itself lies on an overlay mount."""
        self.folder.mkdir(parents=True, exist_ok=True)
        run = Path("/run/rayctl-images") / hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]
        storage = (f"--root={self.folder / 'storage'}", f"--runroot={run}")
        return ("buildah", *storage, f"--storage-driver={storage_driver(self.folder)}", verb)

    def _environment(self) -> Mapping[str, str]:
        """Run steps by chroot: other isolations need what a container on a bare machine does not give."""
        temporary = self.folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        return os.environ | {"BUILDAH_ISOLATION": "chroot", "TMPDIR": str(temporary)}


@dataclass(frozen=True, slots=True)
class Docker:
    """A Docker engine that answers and has, or can pull, the public base image."""

    @property
    def name(self) -> str:
        """How the program is called."""
        return "docker"

    def find_image(self, tag: str) -> str | None:
        """The id of the image with this tag; None when there is none."""
        inspect = ["docker", "image", "inspect", "--format", "{{.Id}}", tag]
        inspected = subprocess.run(inspect, capture_output=True, text=True, check=False)
        return inspected.stdout.strip() if inspected.returncode == 0 else None

    def build(self, context: Path, tag: str, arguments: Mapping[str, str], log: Path, tell: Say) -> None:
        """Build `context`, give the image `tag`, and remove older images with the same name."""
        given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        build = ("docker", "build", "--progress=plain", *given, f"--tag={tag}", str(context))
        run_logged(build, log, env=os.environ | {"DOCKER_BUILDKIT": "1"}, tell=tell, telling=_STEP)
        name = tag.rpartition(":")[0]
        listed = subprocess.run(
            ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", name],
            capture_output=True,
            text=True,
            check=True,
        )
        for old in set(listed.stdout.split()) - {tag}:
            run_logged(("docker", "rmi", old), log)

    def push(self, tag: str, destination: str, log: Path) -> None:
        """Send the image to `destination`; docker takes a registry without TLS on loopback only."""
        run_logged(("docker", "tag", tag, destination), log)
        run_logged(("docker", "push", destination), log)
        run_logged(("docker", "rmi", destination), log)

    def save(self, tag: str, names: tuple[str, ...], tar: Path, log: Path) -> None:
        """Write the image under `names` as an archive that `docker load` and `ctr image import` read."""
        for name in names:
            run_logged(("docker", "tag", tag, name), log)
        run_logged(("docker", "save", f"--output={tar}", *names), log)


def choose_engine(folder: Path) -> Engine:
    """Return docker where an engine answers and can give the public base, else buildah storing in `folder`.

    Raises:
        BedError: neither is there.
    """
    if _docker_can_build():
        return Docker()
    if shutil.which("buildah") is None:
        raise BedError("nothing builds images: no Docker engine answers, and buildah is not installed")
    return Buildah(folder)


def _docker_can_build() -> bool:
    """Ask for a running engine first: that answers at once, a pull may take its time to fail."""
    if shutil.which("docker") is None or not _succeeds("docker", "version", seconds=10):
        return False
    if _succeeds("docker", "image", "inspect", PUBLIC_BASE, seconds=10):
        return True
    return _succeeds("docker", "pull", "--quiet", PUBLIC_BASE, seconds=300)


def _succeeds(*command: str, seconds: float) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=seconds).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def storage_driver(folder: Path, mounts: str | None = None) -> str:
    """Return which of buildah's storage drivers works for `folder`; `mounts` is /proc/mounts.

    The kernel refuses an overlay whose upper layer lies on an overlay, as in most containers: vfs then, which
    copies each layer whole.
    """
    lines = (Path("/proc/mounts").read_text() if mounts is None else mounts).splitlines()
    kinds = {Path(line.split()[1]): line.split()[2] for line in lines}
    return (
        "vfs" if next(kinds[p] for p in (folder, *folder.parents) if p in kinds) == "overlay" else "overlay"
    )
