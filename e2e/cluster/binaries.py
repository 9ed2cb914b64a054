"""The programs of Kubernetes, built from their Go modules once and kept by version.

`e2e/kubernetes/` is the Go module: one multi-call program for the control plane and the nodes, and kubectl,
CoreDNS and KWOK, all against the same versions, so that each package is compiled once.
Programs found in `$KUBEBUILDER_ASSETS` are used instead of building them.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from e2e.cluster.go import ensure_go
from e2e.cluster.interface import BedError, Component
from e2e.cluster.layout import cache_directory
from e2e.cluster.progress import Progress

MODULE = Path(__file__).resolve().parent.parent / "kubernetes"
NODE_PROGRAMS = ("kubelet", "kube-proxy", "coredns")
CONTROL_PLANE_PROGRAMS = (*(c.value for c in Component), "kubectl")


@dataclass(frozen=True, slots=True)
class Target:
    """One Go program and the names that it is called by."""

    package: str
    file: str
    programs: tuple[str, ...]


TARGETS = (
    Target("./cmd/kubernetes", "kubernetes", (*(c.value for c in Component), "kubelet", "kube-proxy")),
    Target("k8s.io/kubernetes/cmd/kubectl", "kubectl", ("kubectl",)),
    Target("./cmd/coredns", "coredns", ("coredns",)),
    Target("sigs.k8s.io/kwok/cmd/kwok", "kwok", ("kwok",)),
)


def kubernetes_version(go_mod: str) -> str:
    """Kubernetes' version as go.mod requires it, such as `v1.37.2`."""
    found = re.search(r"^\s*(?:require )?k8s\.io/kubernetes (v\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise ValueError("go.mod does not require k8s.io/kubernetes")
    return found[1]


def targets_of(programs: Sequence[str]) -> tuple[Target, ...]:
    """The Go programs to build for these names."""
    return tuple(t for t in TARGETS if set(t.programs) & set(programs))


def ensure_programs(programs: Sequence[str], progress: Progress) -> Path:
    """A directory with all of `programs`; builds those that are not there yet."""
    directory = programs_directory()
    directory.mkdir(parents=True, exist_ok=True)
    provided = _provided(programs)
    with _locked(directory.parent / "lock", progress):
        for name, path in provided.items():
            _link(directory / name, path)
        absent = [p for p in programs if p not in provided and not (directory / p).exists()]
        if absent:
            _build(targets_of(absent), directory, progress)
    return directory


def programs_directory() -> Path:
    """Where programs of exactly this module and these assets are kept."""
    sources = sorted([MODULE / "go.mod", MODULE / "go.sum", *MODULE.glob("cmd/*/*.go")])
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources))
    digest.update("\0".join([*_link_flags(), os.environ.get("KUBEBUILDER_ASSETS", "")]).encode())
    version = kubernetes_version((MODULE / "go.mod").read_text())
    return cache_directory() / "kubernetes" / f"{version}-{digest.hexdigest()[:10]}"


def _provided(programs: Sequence[str]) -> Mapping[str, Path]:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        return {}
    if not Path(assets).is_dir():
        raise BedError(
            f"KUBEBUILDER_ASSETS is {assets}, which is no directory; unset it to build the programs"
        )
    return {p: Path(assets) / p for p in programs if (Path(assets) / p).is_file()}


def _link(link: Path, target: Path) -> None:
    draft = link.with_name(f".{link.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say("  another run is building the programs of Kubernetes: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(targets: Sequence[Target], directory: Path, progress: Progress) -> None:
    go = ensure_go(MODULE / "go.mod", progress)
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off", "GOTOOLCHAIN": "local"}
    # The compiler's own garbage collector gives up a fifth of the time for memory; machines for this have it.
    environment.setdefault("GOGC", "400")
    packages = [t.package for t in targets]
    names = ", ".join(t.file for t in targets)
    progress.say(
        f"  build {names} of Kubernetes {directory.name} from source; once, about 10 minutes on 2 cores"
    )
    with progress.step("download the Go modules"):
        total = len(_go([go, "list", "-deps", *packages], environment).splitlines())
    draft = directory / ".build"
    shutil.rmtree(draft, ignore_errors=True)  # of a killed build; we hold the lock
    draft.mkdir()
    try:
        with progress.step(f"compile {total} packages, link {len(targets)} programs"):
            command = [
                go,
                "build",
                "-v",
                "-trimpath",
                "-buildvcs=false",
                *_link_flags(),
                f"-o={draft}/",
                *packages,
            ]
            _compile([str(part) for part in command], environment, total, progress)
        for target in targets:
            (draft / target.file).replace(directory / target.file)
            for program in target.programs:
                if program != target.file and not (directory / program).is_symlink():
                    _link(directory / program, Path(target.file))
    finally:
        shutil.rmtree(draft)


def _link_flags() -> Sequence[str]:
    version = kubernetes_version((MODULE / "go.mod").read_text())
    major, minor, _ = version.removeprefix("v").split(".", 2)
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    stamps = [f"-X {package}.{name}={value}" for package in packages for name, value in values.items()]
    return ["-ldflags", " ".join(["-s", "-w", *stamps])]


def _go(command: Sequence[Path | str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=MODULE, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BedError(
            f"{' '.join(map(str, command[:3]))} failed in {MODULE}:\n{done.stderr.strip()[-2000:]}"
        )
    return done.stdout


def _compile(command: Sequence[str], environment: Mapping[str, str], total: int, progress: Progress) -> None:
    """Run `go build -v`, which names each package it has to compile (a resumed build: fewer than `total`)."""
    begun = monotonic()
    compiled = 0
    errors: list[str] = []
    with subprocess.Popen(command, cwd=MODULE, env=environment, stderr=subprocess.PIPE, text=True) as build:
        assert build.stderr is not None
        for line in build.stderr:
            compiled += 1
            errors = [*errors[-30:], line.rstrip()]
            minutes, seconds = divmod(int(monotonic() - begun), 60)
            progress.meter(f"{compiled} of {total} packages, {minutes}:{seconds:02}  {line.strip()}")
    if build.returncode != 0:
        raise BedError("go build failed; its last lines:\n    " + "\n    ".join(errors))
