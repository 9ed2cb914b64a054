"""Fetches the wheels of lock files for an image's Python, so that its build needs no package index.

`pip download --python-version` evaluates environment markers for the interpreter that runs pip, so markers
are decided here, and pip gets exact versions with hashes only.
"""

import hashlib
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement

from e2e.cluster.commands import run_logged

# Of the platform tags that wheels carry, those that bookworm's glibc 2.36 satisfies.
_GLIBC_MINORS = (36, 35, 34, 31, 28, 27, 26, 24, 17)


def fetch_wheels(locks: Sequence[Path], python: str, cache: Path, log: Path) -> Path:
    """Return a folder with the wheels that `locks` name for CPython `python` ("3.11") on this machine.

    Each file's hash is checked against its lock. The folder is below `cache` and is fetched once.

    Raises:
        CommandError: pip failed: no way to the index, or a package without a wheel for this Python.
    """
    texts = [without_markers(lock.read_text(), python) for lock in locks]
    folder = cache / hashlib.sha256("\0".join((python, *texts)).encode()).hexdigest()[:16]
    if folder.exists():
        return folder
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for text in texts:
        exact = unfinished / "requirements.txt"
        exact.write_text(text)
        run_logged(_download(exact, python, unfinished), log)
        exact.unlink()
    return unfinished.rename(folder)


def _download(requirements: Path, python: str, folder: Path) -> tuple[str, ...]:
    machine = platform.machine()
    tags = (*(f"manylinux_2_{minor}" for minor in _GLIBC_MINORS), "manylinux2014", "linux")
    return (
        *(sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps"),
        *("--only-binary=:all:", "--implementation=cp", f"--python-version={python}"),
        *(f"--platform={tag}_{machine}" for tag in tags),
        *(f"--dest={folder}", f"--requirement={requirements}"),
    )


def without_markers(lock: str, python: str) -> str:
    """Return `lock` with only the entries that CPython `python` on Linux needs, and without their markers."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": platform.machine(),
        "os_name": "posix",
    }
    return "\n".join(_needed(lock, environment)) + "\n"


def _needed(lock: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield one line for each entry: `name==version --hash=… --hash=…`."""
    whole_lines = lock.replace("\\\n", " ").splitlines()
    for line in whole_lines:
        entry, _, hashes = line.partition("--hash=")
        if not entry.strip() or line.lstrip().startswith("#"):
            continue
        requirement = Requirement(entry.strip())
        if requirement.marker is None or requirement.marker.evaluate(dict(environment)):
            yield f"{requirement.name}{requirement.specifier} --hash={hashes}".rstrip()
