"""What is found in the folders of runs, and what is said of those that are not whole."""

from pathlib import Path

import pytest

from resbench.errors import UserError
from resbench.report.runs import find_runs, read_run
from resbench.training.folder import RunFolder
from tests.records.factory import MakeRecord
from tests.report.runs import tile_line, write_run

METRICS = """epoch,lr,step,test/acc,train/loss,tile/fc1/A/mean,val/acc
0,,9,,,,0.5
0,0.1,10,,1.5,0.0,
1,,19,,,,0.75
1,0.05,20,,1.0,0.0,
,,20,0.7,,,
"""


def test_runs_are_found_by_folder_by_record_and_below_a_folder(make_record: MakeRecord, tmp_path: Path) -> None:
    first = write_run(tmp_path / "runs" / "a" / "1", make_record())
    second = write_run(tmp_path / "runs" / "b" / "2.attempt", None, config={"seed_everything": 0})
    write_run(first / "wandb" / "files", None, config={"wandb_version": 1})  # belongs to the run
    assert find_runs([tmp_path / "runs"]) == [first, second]
    assert find_runs([second, first / "record.json", first]) == [second, first]
    (first / "record.json").rename(tmp_path / "alone.json")
    assert find_runs([tmp_path / "alone.json"]) == [tmp_path / "alone.json"]


def test_places_without_a_run_and_too_many_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: there is no such file or folder; name the folder of a run"):
        find_runs([tmp_path / "nowhere"])
    with pytest.raises(UserError, match=r"there is no run in this folder; each run has a config\.yaml or a"):
        find_runs([tmp_path])
    for number in range(9):
        write_run(tmp_path / str(number), None, config={})
    with pytest.raises(UserError, match="9 runs are too many for one report; name at most 8"):
        find_runs([tmp_path])


def test_a_complete_run_has_curves_tiles_and_nothing_to_say(make_record: MakeRecord, tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", make_record(), [tile_line(0)], METRICS))
    assert (run.status, list(run.notes)) == ("complete", [])
    assert run.curves == {"val/acc": {1: 0.5, 2: 0.75}, "train/loss": {1: 1.5, 2: 1.0}, "lr": {1: 0.1, 2: 0.05}}
    assert [layer.name for layer in run.layers] == ["fc1"]


def test_without_the_metrics_file_the_record_has_the_curves(make_record: MakeRecord, tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", make_record(states=None, tiles=0)))
    assert run.curves["train/loss"] == {1: 0.4, 2: 0.2}
    assert list(run.notes) == []  # a digital run has no tiles


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"status": "interrupted"}, "it was stopped from outside after 2,500 steps"),
        ({"status": "failed", "error": "disk\nfull"}, "it failed after 2,500 steps: disk full"),
        ({"status": "diverged", "error": "loss is nan"}, "it diverged after 2,500 steps: loss is nan"),
    ],
)
def test_a_run_that_did_not_complete_says_why(
    changes: dict[str, str], note: str, make_record: MakeRecord, tmp_path: Path
) -> None:
    place = write_run(tmp_path / "run", make_record(**changes, final={}), [tile_line(0)])
    (place / "last.ckpt").touch()
    run = read_run(place)
    again = [f"continue it with: resbench resume {place}"]
    assert list(run.notes) == [note, *(again if run.status != "diverged" else [])]


def test_a_run_without_a_record_is_running_or_was_killed(tmp_path: Path) -> None:
    place = write_run(tmp_path / "name" / "0123456789ab.attempt", None, [tile_line(0)], config={"seed_everything": 3})
    run = read_run(place)
    assert run.status == "killed"
    assert run.config == {"seed_everything": 3}
    assert list(run.notes) == ["it has no record.json: it was killed, or it runs on another machine"]
    folder = RunFolder(tmp_path, "name", "0123456789ab")
    folder.begin()
    try:
        run = read_run(place)
    finally:
        folder.release()
    assert (run.status, list(run.notes)) == ("running", ["it is running: this is what it has written so far"])


def test_damaged_files_are_named(tmp_path: Path) -> None:
    place = write_run(tmp_path / "run", None, config={})
    for name in ("record.json", "metrics.csv", "tiles.jsonl", "config.yaml"):
        (place / name).write_bytes(b"\xff{")
    run = read_run(place)
    assert (run.status, run.config, run.curves, list(run.layers)) == ("unknown", {}, {}, [])
    assert [note.partition(" ")[0] for note in run.notes] == [
        "record.json",
        "metrics.csv",
        "tiles.jsonl:",
        "config.yaml",
    ]


def test_a_config_that_no_run_has_is_named(tmp_path: Path) -> None:
    place = write_run(tmp_path / "run", None, [tile_line(0)], config={})
    (place / "config.yaml").write_text("model: {1: 2}\n")
    run = read_run(place)
    assert run.config == {}
    assert run.notes[-1].startswith("config.yaml cannot be used: line 1: the key 1 is a number in YAML")


def test_a_record_of_another_version_is_read_and_said(make_record: MakeRecord, tmp_path: Path) -> None:
    record = make_record().model_copy(update={"versions": {"resbench": "0.0.7"}})
    run = read_run(write_run(tmp_path / "run", record, [tile_line(0)]))
    assert list(run.notes) == ["made by resbench 0.0.7; this report is by 0.1.0"]


def test_a_file_that_is_no_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(UserError, match=r"x\.json: not a record: it has no schema_version"):
        read_run(tmp_path / "x.json")
