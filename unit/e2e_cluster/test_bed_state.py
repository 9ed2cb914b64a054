"""What a bed writes down about itself, and what can still be read of it after a crash."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.cluster.interface import BedError, Profile
from e2e.cluster.layout import Layout
from e2e.cluster.lifecycle import held
from e2e.cluster.process import is_alive, started_at
from e2e.cluster.state import Facts, Journal, Kind, Resource, find_facts, parse_journal, write_facts
from e2e.cluster.sweep import mounts_below

FACTS = Facts("b", Profile.NODES, "10.201.0.0/16", {"etcd": 20001}, "/programs")
ETCD = Resource(Kind.PROCESS, "etcd", 12, 345)


def test_the_journal_gives_back_what_was_added_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "bed" / "journal.jsonl")
    bridge = Resource(Kind.LINK, "rb123")

    journal.add(bridge)
    journal.add(ETCD)

    assert journal.resources() == (bridge, ETCD)


def test_a_bed_without_a_journal_has_nothing(tmp_path: Path) -> None:
    assert Journal(tmp_path / "none").resources() == ()


def test_the_latest_process_of_a_name_is_found(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.add(ETCD)
    journal.add(replace(ETCD, pid=99))

    assert journal.find_process("etcd") == replace(ETCD, pid=99)
    assert journal.find_process("kubelet") is None


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param('{"kind": "process", "na', id="cut off in the middle"),
        pytest.param("", id="empty"),
        pytest.param('{"kind": "teapot", "name": "x", "pid": 0, "started": 0}', id="of an unknown kind"),
        pytest.param('["process"]', id="of another shape"),
    ],
)
def test_a_line_that_cannot_be_read_does_not_hide_the_others(broken: str) -> None:
    good = '{"kind": "process", "name": "etcd", "pid": 12, "started": 345}'

    assert parse_journal([good, broken, good]) == (ETCD, ETCD)


def test_facts_survive_writing_and_reading(tmp_path: Path) -> None:
    write_facts(tmp_path / "bed.json", FACTS)

    assert find_facts(tmp_path / "bed.json") == FACTS
    assert [p.name for p in tmp_path.iterdir()] == ["bed.json"]


def test_what_another_checkout_wrote_of_a_bed_beyond_this_ones_facts_is_passed_over(tmp_path: Path) -> None:
    write_facts(tmp_path / "bed.json", FACTS)
    written = json.loads((tmp_path / "bed.json").read_text())

    (tmp_path / "bed.json").write_text(json.dumps(written | {"color": "blue"}))

    assert find_facts(tmp_path / "bed.json") == FACTS


def test_damaged_facts_name_the_file_and_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "bed.json").write_text("{")

    with pytest.raises(BedError, match=r"bed\.json is damaged.*down"):
        find_facts(tmp_path / "bed.json")


def test_a_recycled_process_id_is_not_the_process() -> None:
    mine = Resource(Kind.PROCESS, "me", os.getpid(), started_at(os.getpid()))

    assert is_alive(mine)
    assert not is_alive(replace(mine, started=mine.started + 1))
    assert not is_alive(replace(mine, pid=0))


def test_a_child_that_ended_counts_as_gone_although_nobody_waited_for_it() -> None:
    pid = os.posix_spawnp("true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    assert started_at(pid) == 0


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a/b", "..", "a" * 33])
def test_a_name_that_would_not_fit_everywhere_is_refused(name: str) -> None:
    with pytest.raises(BedError, match="cannot name a bed"):
        Layout.of(name)


def test_beds_in_different_places_have_different_names_in_the_kernel() -> None:
    here, there = Layout(Path("/here/bed")), Layout(Path("/there/bed"))

    assert here.bridge != there.bridge
    assert here.namespace("node1") != there.namespace("node1")
    assert len(here.bridge) <= 15


def test_mounts_below_a_bed_are_found_innermost_first_and_no_others() -> None:
    mountinfo = "\n".join(
        f"1 2 0:1 / {point} rw - tmpfs tmpfs rw"
        for point in ("/", "/beds/b", "/beds/b/x", "/beds/b/x/a\\040b", "/beds/bee/x")
    )

    assert mounts_below(Path("/beds/b"), mountinfo) == ("/beds/b/x/a b", "/beds/b/x")


def test_what_cannot_name_a_bed_leaves_no_lock_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYCTL_BED_DIR", str(tmp_path))

    with pytest.raises(BedError, match="cannot name a bed"), held("a.lock"):
        pass

    assert list(tmp_path.iterdir()) == []
