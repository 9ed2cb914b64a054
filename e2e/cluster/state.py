"""What a bed consists of, on disk: fixed facts (`Facts`) and a journal of all that was made.

The journal is append-only, one JSON object a line, written before a thing is made where its name is known
before, so that a run killed at any point leaves nothing behind that the next run cannot find.
A process is known by its id *and* its start time (field 22 of /proc/PID/stat): a recycled id is never killed.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path

from e2e.cluster.interface import BedError, Profile


class Kind(StrEnum):
    """Something that outlives the program that made it."""

    PROCESS = "process"
    NAMESPACE = "namespace"  # a network namespace, by its name under /run/netns
    LINK = "link"  # a network interface of the host
    CGROUP = "cgroup"  # a group of this name at the top of every hierarchy


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing that the bed made; `pid` and `started` are for processes only."""

    kind: Kind
    name: str
    pid: int = 0
    started: int = 0  # clock ticks after boot


@dataclass(frozen=True, slots=True)
class Facts:
    """What is chosen once, when a bed is made, and holds until it is removed."""

    name: str
    profile: Profile
    subnet: str  # the bed's own /16; empty where there are no nodes
    ports: dict[str, int]  # by Component value, or another listener's name
    binaries: str  # directory of the programs it runs
    recorded: bool = False  # whether the audit log has bodies, and etcd JSON


class Journal:
    """The list of made things of one bed, in the order of making."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, resource: Resource) -> None:
        """Append; the line is on its way to the disk before this returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(resource)) + "\n")

    def resources(self) -> tuple[Resource, ...]:
        """Everything ever made, also what is gone by now."""
        try:
            text = self._path.read_text()
        except FileNotFoundError:
            return ()
        return parse_journal(text.splitlines())

    def find_process(self, name: str) -> Resource | None:
        """The latest process started under this name, dead or alive."""
        found = [r for r in self.resources() if r.kind is Kind.PROCESS and r.name == name]
        return found[-1] if found else None


def parse_journal(lines: Iterable[str]) -> tuple[Resource, ...]:
    """Read what can be read: the last line of a killed run may be cut off anywhere."""
    resources = []
    for line in lines:
        try:
            fields = json.loads(line)
            resources.append(
                Resource(
                    Kind(fields["kind"]), str(fields["name"]), int(fields["pid"]), int(fields["started"])
                )
            )
        except (ValueError, KeyError, TypeError):
            continue
    return tuple(resources)


def write_facts(path: Path, facts: Facts) -> None:
    """Write atomically: a reader sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(asdict(facts), indent=2) + "\n")
    draft.replace(path)


def find_facts(path: Path) -> Facts | None:
    """The facts of a bed, or None where there is none (or where it never came so far).

    Another checkout's bed may have facts that this one does not know.
    """
    try:
        written = json.loads(path.read_text())
        known = {field.name: written[field.name] for field in fields(Facts) if field.name in written}
        return Facts(**{**known, "profile": Profile(known["profile"])})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise BedError(f"{path} is damaged ({error}); remove the bed with `down`") from error
