import pytest

from rayctl.manager.places import ALL, Places


@pytest.mark.parametrize(
    ("watched", "words"),
    [
        pytest.param(("ray",), "namespace ray", id="one"),
        pytest.param(("blue", "green"), "namespaces blue, green", id="several"),
        pytest.param(ALL, "all namespaces", id="all"),
    ],
)
def test_what_is_watched_is_said_in_words(watched: tuple[str, ...], words: str) -> None:
    assert str(Places(watched, "ray", "ray")) == words
