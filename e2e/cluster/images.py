"""Builds the images of the test bed, once for each state of their inputs, and pushes them to a registry.

`ensure` builds if there is no image of exactly these inputs; `push` sends it if the registry does not have
it. Both take well under a second when there is nothing to do.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.debian_base import PYTHON, base_inputs, make_base
from e2e.cluster.image_engine import PUBLIC_BASE, Buildah, Engine, Say, choose_engine
from e2e.cluster.image_recipes import Kind, Recipe, base_recipe, context_files, digest_inputs, recipe_of
from e2e.cluster.layout import cache_directory
from e2e.cluster.progress import Progress
from e2e.cluster.registry import copy_tag, has_image, path_of
from e2e.cluster.wheels import fetch_wheels


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A built image. `names` are what pods call it, fully qualified, the main one first."""

    kind: Kind
    names: tuple[str, ...]
    tag: str  # in the build engine
    image_id: str  # digest of the image's configuration, without `sha256:`


def ensure(kind: Kind, binary: Path | None = None, progress: Progress | None = None) -> ImageRef:
    """Return the image of `kind` for the present state of the repository, built if need be.

    `binary` is the program that CoreDNS' image is made of. A build holds a lock: a second caller waits.

    Raises:
        BedError: nothing can build images here, or the build failed (with its last lines and its log's path).
    """
    folder, progress = _folder(), progress or Progress()
    engine = choose_engine(folder)
    recipe = recipe_of(kind, binary)
    tag = f"localhost/rayctl-{kind}:{digest_inputs(recipe, _base_state(engine))}"
    image_id = engine.find_image(tag)
    if image_id is None:
        with _one_at_a_time(folder):
            image_id = engine.find_image(tag) or _build(engine, recipe, tag, folder, progress)
    return ImageRef(kind, recipe.names, tag, image_id)


def push(image: ImageRef, registry: str) -> None:
    """Make `image` pullable under all its names from `registry` (`host:port`, no TLS). Sends it once at most.

    Raises:
        BedError: the registry does not answer or refuses.
    """
    folder = _folder()
    first, *others = (path_of(name) for name in image.names)
    if not has_image(registry, first, image.image_id):
        choose_engine(folder).push(image.tag, f"{registry}/{first}", folder / "push.log")
    for other in others:
        if not has_image(registry, other, image.image_id):
            copy_tag(registry, first, other)


def save(image: ImageRef, archive: Path) -> None:
    """Write `image` with its names to `archive`, for clusters that take files (`k3s ctr image import`)."""
    folder = _folder()
    choose_engine(folder).save(image.tag, image.names, archive, folder / "save.log")


def _build(engine: Engine, recipe: Recipe, tag: str, folder: Path, progress: Progress) -> str:
    """Stage the context, build it, return the image's id."""
    name = tag.rpartition("/")[2].partition(":")[0]
    log = folder / f"{name}.log"
    log.unlink(missing_ok=True)
    progress.say(f"  building the image {recipe.names[0]} with {engine.name} (log: {log})")
    arguments = dict(recipe.arguments)
    files = dict(recipe.files)
    if isinstance(engine, Buildah) and recipe.on_base:
        base = _ensure_base(engine, folder, progress)
        with progress.step(f"{name}: wheels"):
            files["wheels"] = fetch_wheels(recipe.locks, PYTHON, folder / "wheels", log)
        files["debs"] = _packages(folder)
        arguments |= {"BASE": base, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/context/wheels"}
    with progress.step(f"{name}: image"):
        return _build_context(engine, tag, files, arguments, log, progress.meter)


def _build_context(
    engine: Engine, tag: str, files: Mapping[str, Path], arguments: Mapping[str, str], log: Path, tell: Say
) -> str:
    """Build from a folder that holds `files` and nothing else; it goes away afterwards."""
    context = log.with_suffix(".context")
    shutil.rmtree(context, ignore_errors=True)
    for name, source in context_files(files):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        _link_or_copy(source, context / name)
    engine.build(context, tag, arguments, log, tell)
    shutil.rmtree(context)
    image_id = engine.find_image(tag)
    assert image_id is not None, f"{engine.name} built {tag} but does not know it"
    return image_id


def _link_or_copy(source: Path, target: Path) -> None:
    """Link what the cache holds, which saves copying Ray's wheels; the repository may lie on another disk."""
    try:
        os.link(source, target, follow_symlinks=True)
    except OSError:
        shutil.copy2(source, target)


def _ensure_base(engine: Buildah, folder: Path, progress: Progress) -> str:
    """Return the tag of the Debian base, made if need be. Call it with the lock held."""
    rootfs, log = folder / "rootfs.tar", folder / "rayctl-base.log"
    tag = f"localhost/rayctl-base:{_base_state(engine)}"
    if engine.find_image(tag) is not None and _packages(folder).exists():
        return tag
    log.unlink(missing_ok=True)
    with progress.step("rayctl-base: Debian with its Python"):
        make_base(rootfs, _packages(folder), log)
        _build_context(engine, tag, base_recipe(rootfs).files, {}, log, progress.meter)
        rootfs.unlink()
    return tag


def _base_state(engine: Engine) -> str:
    """Return what stands for the state of the base in digests."""
    if not isinstance(engine, Buildah):
        return PUBLIC_BASE
    files = base_recipe(Path("/dev/null"))
    return hashlib.sha256(f"{base_inputs()}\n{digest_inputs(files, '')}".encode()).hexdigest()[:16]


def _packages(folder: Path) -> Path:
    return folder / "debs"


def _folder() -> Path:
    folder = cache_directory() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel lets go of it when the process ends, however it ends."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
