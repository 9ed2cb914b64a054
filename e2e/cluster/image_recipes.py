"""What each image of the test bed is made of, and the digest that names one state of it. No building here."""

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

RAY_VERSION = "2.60.0"
RAY_TAGS = (RAY_VERSION, "latest", "nightly")  # what users' files ask for
OLDEST_RAY_VERSION = "2.7.0"  # the first whose GCS tells an autoscaler outside of the head what waits
_REPOSITORY = Path(__file__).parents[2]
_DOCKERFILES = _REPOSITORY / "e2e" / "images"
_OPERATOR_FILES = (
    *("Dockerfile", "pyproject.toml", "README.md", "LICENSE", "rayctl"),
    *("requirements.lock", "requirements-build.lock"),
)


class Kind(StrEnum):
    """An image of the bed; the value is part of its name in the build engine."""

    PAUSE = "pause"
    COREDNS = "coredns"
    RAY = "ray"
    OLDEST_RAY = "oldest-ray"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an image is made of.

    `names` are what pods call it, fully qualified, the main one first. `files` maps a path in the build's
    context to the file or folder that it is made of. Wheels of `locks` are put into the context's wheels/.
    """

    names: tuple[str, ...]
    files: Mapping[str, Path]
    locks: tuple[Path, ...] = ()
    on_base: bool = False
    arguments: Mapping[str, str] = field(default_factory=dict)


def recipe_of(kind: Kind, binary: Path | None = None) -> Recipe:
    """Return the recipe of `kind`. `binary` is for CoreDNS alone: the program that the bed built."""
    match kind:
        case Kind.PAUSE:
            files = {"Dockerfile": _DOCKERFILES / "pause/Dockerfile", "busybox": Path("/bin/busybox")}
            return Recipe(names=("localhost/pause:1",), files=files)
        case Kind.COREDNS:
            assert binary is not None, "CoreDNS is made of a program: give binary="
            files = {"Dockerfile": _DOCKERFILES / "coredns/Dockerfile", "coredns": binary}
            return Recipe(names=("localhost/coredns:1",), files=files)
        case Kind.RAY:
            return _ray_recipe(_DOCKERFILES / "ray")
        case Kind.OLDEST_RAY:
            return _oldest_ray_recipe(_DOCKERFILES / "ray-oldest", _ray_recipe(_DOCKERFILES / "ray"))
        case Kind.OPERATOR:
            return _operator_recipe(_REPOSITORY)


def base_recipe(rootfs: Path) -> Recipe:
    """Return the recipe of the base, made of the archive `rootfs` of a whole root file system."""
    return Recipe(names=(), files={"Dockerfile": _DOCKERFILES / "base/Dockerfile", "rootfs.tar": rootfs})


def _ray_recipe(folder: Path) -> Recipe:
    return Recipe(
        names=tuple(f"docker.io/rayproject/ray:{tag}" for tag in RAY_TAGS),
        files={path.name: path for path in folder.iterdir() if path.suffix != ".in"},
        locks=(folder / "requirements.lock", folder / "offline.lock"),
        on_base=True,
    )


def _oldest_ray_recipe(folder: Path, ray: Recipe) -> Recipe:
    """Return the recipe of Ray's image with an older Ray in it, which has no wheels for Python 3.12."""
    lock = folder / "requirements.lock"
    return replace(
        ray,
        names=(f"docker.io/rayproject/ray:{OLDEST_RAY_VERSION}",),
        files={**ray.files, "requirements.lock": lock},
        locks=(lock, *ray.locks[1:]),
        arguments={"BASE": "python:3.11-slim"},
    )


def _operator_recipe(repository: Path) -> Recipe:
    version = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["version"]
    return Recipe(
        names=(f"docker.io/rayctl/operator:{version}",),
        files={name: repository / name for name in _OPERATOR_FILES},
        locks=(repository / "requirements.lock", repository / "requirements-build.lock"),
        on_base=True,
        arguments={"VERSION": version},
    )


def digest_inputs(recipe: Recipe, base: str) -> str:
    """Return 16 hexadecimal digits that change when anything changes that decides what the image contains.

    `base` stands for the state of the base image. Names, times, owners and compiled Python do not count.
    """
    total = hashlib.sha256()
    if recipe.on_base:
        total.update(f"base {base}\n".encode())
    for key, value in sorted(recipe.arguments.items()):
        total.update(f"argument {key}={value}\n".encode())
    for name, path in sorted(context_files(recipe.files)):
        with path.open("rb") as content:
            total.update(f"{name} {hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()[:16]


def context_files(files: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """Yield each file of a build's context: its path in there, and where it is. Folders are walked."""
    for name, path in files.items():
        if not path.is_dir():
            yield name, path
            continue
        for inner in path.rglob("*"):
            if inner.is_file() and "__pycache__" not in inner.parts:
                yield f"{name}/{inner.relative_to(path)}", inner
