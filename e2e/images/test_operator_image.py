"""The operator's image, looked at from outside: its layers unpacked, its configuration read, its program run."""

import json
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.cluster import images
from e2e.cluster.image_recipes import Kind

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(600)]

_MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Unpacked:
    """An image's file system and configuration; `layers` are sizes in bytes, the base's first."""

    rootfs: Path
    config: dict[str, object]
    layers: tuple[int, ...]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    folder = tmp_path_factory.mktemp("operator-image")
    images.save(images.ensure(Kind.OPERATOR), folder / "image.tar")
    with tarfile.open(folder / "image.tar") as archive:
        archive.extractall(folder / "image", filter="fully_trusted")
    (manifest,) = json.loads((folder / "image" / "manifest.json").read_text())
    layers = [folder / "image" / name for name in manifest["Layers"]]
    rootfs = folder / "rootfs"
    rootfs.mkdir()
    for layer in layers:
        _apply(layer, rootfs)
    config = json.loads((folder / "image" / manifest["Config"]).read_text())["config"]
    return Unpacked(rootfs, config, tuple(layer.stat().st_size for layer in layers))


def _apply(layer: Path, rootfs: Path) -> None:
    """Unpack one layer over those below it; `.wh.x` takes x away (OCI image layer specification)."""
    with tarfile.open(layer) as entries:
        for entry in entries:
            path = rootfs / entry.name
            if path.name.startswith(".wh."):
                subprocess.run(["rm", "-rf", str(path.with_name(path.name.removeprefix(".wh.")))], check=True)
            else:
                entries.extract(entry, rootfs, filter="fully_trusted")


def _run_read_only(image: Unpacked, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `words` by runc as a kubelet would with readOnlyRootFilesystem, no capabilities, nothing writable."""
    subprocess.run(["runc", "spec", "--bundle", str(folder)], check=True)
    spec = json.loads((folder / "config.json").read_text())
    uid, gid = (int(number) for number in str(image.config["User"]).split(":"))
    spec["process"] |= {
        "terminal": False,
        "args": list(words),
        "env": image.config["Env"],
        "user": {"uid": uid, "gid": gid},
        "capabilities": {},
        "noNewPrivileges": True,
    }
    spec["root"] = {"path": str(image.rootfs), "readonly": True}
    (folder / "config.json").write_text(json.dumps(spec))
    state = ["runc", "--root", str(folder / "state")]
    return subprocess.run(
        [*state, "run", "--bundle", str(folder), f"rayctl-test-{folder.name}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_it_starts_the_operator_as_a_numeric_user_that_is_not_root(image: Unpacked) -> None:
    assert image.config["Entrypoint"] == ["rayctl"]
    assert image.config["Cmd"] == ["operator"]
    assert [int(number) for number in str(image.config["User"]).split(":")] == [65532, 65532]


def test_it_says_what_it_is(image: Unpacked) -> None:
    labels = image.config["Labels"]

    assert isinstance(labels, dict)
    assert labels["org.opencontainers.image.title"] == "rayctl operator"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"][0].isdigit()


def test_it_adds_less_than_200_mb_to_its_base(image: Unpacked) -> None:
    _, *own = image.layers

    assert 10 * _MIB < sum(own) < 200_000_000


@pytest.mark.parametrize(
    "pattern",
    [
        *("**/site-packages/pip", "**/ensurepip", "**/pip-*.whl", "**/bin/pip*", "**/bin/gcc*", "**/bin/cc"),
        *("**/cc1", "root/.cache", "src", "dist", "tools", "context", "tmp/*", "**/site-packages/hatchling"),
    ],
)
def test_it_holds_no_compiler_installer_cache_or_source(image: Unpacked, pattern: str) -> None:
    assert list(image.rootfs.glob(pattern)) == []


def test_nothing_of_it_belongs_to_or_can_be_changed_by_the_user_it_runs_as(image: Unpacked) -> None:
    own = [image.rootfs / "opt" / "rayctl", *(image.rootfs / "opt" / "rayctl").rglob("*")]

    writable = [path for path in own if not path.is_symlink() and path.stat().st_mode & 0o002]

    assert len(own) > 1000
    assert writable == []
    assert {path.lstat().st_uid for path in own} == {0}


def test_it_runs_on_a_read_only_file_system(image: Unpacked, tmp_path: Path) -> None:
    ran = _run_read_only(image, tmp_path, "rayctl", "version")

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("rayctl ")


def test_what_the_operator_imports_was_compiled_when_the_image_was_built(
    image: Unpacked, tmp_path: Path
) -> None:
    program = (
        "import sys, rayctl.manager.main\n"
        "cached = [m.__spec__.cached for m in sys.modules.values() if getattr(m, '__spec__', None)]\n"
        "import os\n"
        "print([path for path in cached if path and path.startswith('/opt') and not os.path.exists(path)])"
    )

    ran = _run_read_only(image, tmp_path, "python3", "-c", program)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "[]\n"
