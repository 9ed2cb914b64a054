import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayctl.core.autoscale.minimum import minimum
from unit.builders import a_cluster, a_pod_type


def test_minimums_are_rounded_up_to_whole_slices_and_maximums_down() -> None:
    types = (
        a_pod_type("head"),
        a_pod_type("up", min_workers=3, max_workers=8, hosts=4),
        a_pod_type("down", min_workers=8, max_workers=7, hosts=4),
    )

    assert minimum(a_cluster(pod_types=types, max_workers=20)) == {"head": 0, "up": 4, "down": 4}


@pytest.mark.parametrize(
    ("head", "first", "second", "limit", "wanted"),
    [
        pytest.param((0, None), (2, 3), (1, 3), 10, (0, 2, 1), id="as asked"),
        pytest.param((0, None), (3, 2), (0, None), 10, (0, 2, 0), id="a maximum below the minimum wins"),
        pytest.param(
            (0, None), (2, None), (2, None), 3, (0, 2, 1), id="the cluster's limit cuts in the spec's order"
        ),
        pytest.param(
            (2, None), (0, None), (0, None), 10, (0, 0, 0), id="the head's type has no workers by default"
        ),
        pytest.param(
            (2, 2), (0, None), (0, None), 10, (2, 0, 0), id="the head's type with workers beside the head"
        ),
        pytest.param((0, None), (5, 9), (0, None), 0, (0, 0, 0), id="maxWorkers 0 is a head alone"),
    ],
)
def test_each_type_has_its_minimum_within_the_limits(
    head: tuple[int, int | None],
    first: tuple[int, int | None],
    second: tuple[int, int | None],
    limit: int,
    wanted: tuple[int, int, int],
) -> None:
    types = tuple(
        a_pod_type(name, min_workers=low, max_workers=high)
        for name, (low, high) in {"head-node": head, "a": first, "b": second}.items()
    )

    assert tuple(minimum(a_cluster(pod_types=types, max_workers=limit)).values()) == wanted


@given(
    st.lists(st.tuples(st.integers(0, 9), st.none() | st.integers(0, 9)), min_size=1, max_size=5),
    st.integers(0, 20),
)
def test_no_limit_is_ever_exceeded(bounds: list[tuple[int, int | None]], limit: int) -> None:
    types = tuple(
        a_pod_type(f"t{index}", min_workers=low, max_workers=high) for index, (low, high) in enumerate(bounds)
    )
    cluster = a_cluster(pod_types=types, max_workers=limit)

    targets = minimum(cluster)

    assert sum(targets.values()) <= limit
    assert all(0 <= targets[kind.name] <= min(kind.min_workers, cluster.max_of(kind)) for kind in types)
