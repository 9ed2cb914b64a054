"""Control groups of the nodes: each kubelet needs a root of its own, else it kills the others' pods.

Works on version 1 (a group of this name in every hierarchy) and on version 2 (the one hierarchy).
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
REMOVAL_SECONDS = 5.0


def hierarchies() -> tuple[Path, ...]:
    """The top directories that hold groups: one on version 2, one a controller on version 1.

    Beside version 1 there may be a `unified` one without controllers; runc makes groups in it, too.
    """
    if (MOUNT / "cgroup.controllers").exists():
        return (MOUNT,)
    mounted = (p for p in sorted(MOUNT.iterdir()) if p.is_dir() and not p.is_symlink())
    return tuple(p for p in mounted if (p / "cgroup.procs").exists())


def make(name: str) -> None:
    """Make the group in each hierarchy, able to hold groups of containers."""
    for hierarchy in hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        if hierarchy == MOUNT:
            _delegate(group)
        elif hierarchy.name.startswith("cpuset"):
            # A new version 1 cpuset is empty, and no process can enter it.
            for file in ("cpuset.cpus", "cpuset.mems"):
                (group / file).write_text((hierarchy / file).read_text())


def _delegate(group: Path) -> None:
    for parent in (MOUNT, group):
        controllers = (parent / "cgroup.controllers").read_text().split()
        (parent / "cgroup.subtree_control").write_text(" ".join(f"+{c}" for c in controllers))


def members(name: str) -> Iterator[int]:
    """Ids of all processes in the group and the groups below."""
    for hierarchy in hierarchies():
        for file in (hierarchy / name).glob("**/cgroup.procs"):
            with contextlib.suppress(OSError):  # the group went away meanwhile
                yield from map(int, file.read_text().split())


def remove(name: str) -> None:
    """Remove the group and all below; the kernel needs a moment after the last process."""
    for hierarchy in hierarchies():
        group = hierarchy / name
        deadline = time.monotonic() + REMOVAL_SECONDS
        while group.exists() and time.monotonic() < deadline:
            for directory in (*sorted(group.glob("**/"), key=lambda p: len(p.parts), reverse=True), group):
                with contextlib.suppress(OSError):
                    directory.rmdir()
            if group.exists():
                time.sleep(0.05)
