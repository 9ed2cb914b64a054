"""What an image is made of, when it counts as the same image, and which wheels go into it."""

from dataclasses import replace
from pathlib import Path

import pytest

from e2e.cluster.image_engine import storage_driver
from e2e.cluster.image_recipes import Kind, Recipe, context_files, digest_inputs, recipe_of
from e2e.cluster.wheels import without_markers


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY code /code\n")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text("print(1)\n")
    files = {"Dockerfile": tmp_path / "Dockerfile", "code": tmp_path / "code"}
    return Recipe(names=("localhost/x:1",), files=files, on_base=True)


def test_the_digest_changes_with_the_content_of_a_file_in_a_folder(recipe: Recipe) -> None:
    before = digest_inputs(recipe, "base")

    (recipe.files["code"] / "main.py").write_text("print(2)\n")

    assert digest_inputs(recipe, "base") != before


def test_the_digest_changes_when_a_file_gets_another_name(recipe: Recipe) -> None:
    before = digest_inputs(recipe, "base")

    (recipe.files["code"] / "main.py").rename(recipe.files["code"] / "other.py")

    assert digest_inputs(recipe, "base") != before


def test_the_digest_changes_with_the_base_and_with_arguments(recipe: Recipe) -> None:
    digests = {
        digest_inputs(recipe, "base"),
        digest_inputs(recipe, "newer base"),
        digest_inputs(replace(recipe, arguments={"VERSION": "2"}), "base"),
    }

    assert len(digests) == 3


def test_the_base_does_not_count_for_an_image_that_is_not_on_it(recipe: Recipe) -> None:
    alone = replace(recipe, on_base=False)

    assert digest_inputs(alone, "base") == digest_inputs(alone, "newer base")


def test_compiled_python_and_times_do_not_make_another_image(recipe: Recipe) -> None:
    before = digest_inputs(recipe, "base")

    compiled = recipe.files["code"] / "__pycache__"
    compiled.mkdir()
    (compiled / "main.cpython-311.pyc").write_bytes(b"x")
    (recipe.files["code"] / "main.py").touch()

    assert digest_inputs(recipe, "base") == before
    assert [name for name, _ in context_files(recipe.files)] == ["Dockerfile", "code/main.py"]


@pytest.mark.parametrize("kind", [Kind.RAY, Kind.OLDEST_RAY, Kind.OPERATOR])
def test_what_a_recipe_names_is_in_the_repository(kind: Kind) -> None:
    recipe = recipe_of(kind)

    assert all(path.exists() for path in (*recipe.files.values(), *recipe.locks))
    assert "Dockerfile" in recipe.files


def test_ray_is_pulled_by_the_names_in_users_files() -> None:
    assert recipe_of(Kind.RAY).names == (
        "docker.io/rayproject/ray:2.60.0",
        "docker.io/rayproject/ray:latest",
        "docker.io/rayproject/ray:nightly",
    )


_LOCK = """\
# a comment
plain==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via something
numpy==2.4 ; python_full_version < '3.12' \\
    --hash=sha256:cc
numpy==2.5 ; python_full_version >= '3.12' \\
    --hash=sha256:dd
colorama==0.4 ; sys_platform == 'win32' \\
    --hash=sha256:ee
"""


@pytest.mark.parametrize(
    ("python", "numpy"),
    [
        pytest.param("3.11", "2.4 --hash=sha256:cc", id="old"),
        pytest.param("3.12", "2.5 --hash=sha256:dd", id="new"),
    ],
)
def test_a_lock_is_read_for_the_python_of_the_image(python: str, numpy: str) -> None:
    lines = without_markers(_LOCK, python).splitlines()

    assert [" ".join(line.split()) for line in lines] == [
        "plain==1.0 --hash=sha256:aa --hash=sha256:bb",
        f"numpy=={numpy}",
    ]


@pytest.mark.parametrize(
    ("mounts", "driver"),
    [
        pytest.param("/dev/vda / ext4 rw 0 0", "overlay", id="a plain disk"),
        pytest.param("overlay / overlay rw 0 0", "vfs", id="inside a container"),
        pytest.param(
            "overlay / overlay rw 0 0\n/dev/vdb /cache ext4 rw 0 0", "overlay", id="a volume in one"
        ),
    ],
)
def test_no_overlay_is_put_on_an_overlay(mounts: str, driver: str) -> None:
    assert storage_driver(Path("/cache/images"), mounts) == driver
