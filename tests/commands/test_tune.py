"""`resbench tune` on the digits: one tuning of digital SGD, looked at from all sides."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resbench.cli import main
from resbench.leaderboard.compile import compile_leaderboard
from resbench.records.identity import config_hash
from resbench.records.schema import Record, read_record, write_record
from resbench.tuning.choice import validation
from resbench.tuning.entry import TRIAL_SEED, study_of, tuning_of

TUNING = """
seeds: [0, 1]
base: track/digits_mlp.yaml
runs:
  - spaces: [spaces/digital.yaml]
    set: {trainer.max_epochs: 1, trainer.limit_train_batches: 8}
"""


@pytest.fixture(scope="module")
def tuning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tuning that was run; ``out`` beside its file holds the results."""
    path = tmp_path_factory.mktemp("tuning") / "tuning.yaml"
    path.write_text(TUNING)
    assert main(["tune", str(path), f"--out={path.parent / 'out'}"]) == 0
    return path


def records(out: Path) -> Iterator[tuple[Path, Record]]:
    for path in sorted(out.glob("*/*/record.json")):
        yield path, read_record(path)


def place(record: Record) -> tuple[int, bool]:
    found = tuning_of(record.config)
    assert found
    return found.point, found.trial


def test_trials_are_validated_and_the_best_of_each_study_is_tested(tuning: Path) -> None:
    runs = [record for _, record in records(tuning.parent / "out")]
    trials = {place(record)[0]: record for record in runs if place(record)[1]}
    finals = [record for record in runs if not place(record)[1]]
    assert sorted(trials) == list(range(1, 16))
    for record in trials.values():
        assert record.seed == TRIAL_SEED
        assert not [key for key in record.final if key.startswith("test/")]
    judged = {point: validation(record) or () for point, record in trials.items()}
    best = [max(range(first, first + 5), key=lambda point: (judged[point], -point)) for first in (1, 6, 11)]
    assert sorted((place(record)[0], record.seed) for record in finals) == [(p, s) for p in best for s in (0, 1)]
    assert all("test/acc" in record.final for record in finals)


def test_the_results_make_a_tuned_table(tuning: Path) -> None:
    leaderboard = compile_leaderboard(tuning.parent / "out")
    assert leaderboard.rejected == []
    (table,) = leaderboard.tables
    assert table.ruleset == "tuned"
    (row,) = table.rows
    assert row.cells[0]
    assert row.cells[0].seeds == [0, 1]
    (entry,) = table.tuned
    assert entry.trials == 15
    assert [study.study for study in entry.studies if study.point and study_of(study.point) == study.study] == [1, 2, 3]


def test_the_same_command_runs_what_is_left(tuning: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    shutil.copytree(tuning.parent / "out", out)
    arguments = ["tune", str(tuning), f"--out={out}"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"trials: 15 runs: 15 done, 0 left; results in {out}"
    assert lines[1].startswith("digital: study 1, point ")
    assert lines[4:] == [f"trainings of the best points: 6 runs: 6 done, 0 left; results in {out}"]
    lost, before = next((path, record) for path, record in records(out) if place(record) == (7, True))
    shutil.rmtree(lost.parent)
    assert main([*arguments, "--plan"]) == 0
    assert "digital: 1 of 15 trials are not complete; nothing is chosen" in capsys.readouterr().out
    assert main(arguments) == 0
    assert "digital-trial07 seed 10000: val/loss" in capsys.readouterr().out
    assert read_record(lost).epochs == before.epochs


def test_verify_regenerates_the_point(tuning: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, record = next((path, record) for path, record in records(tuning.parent / "out") if not place(record)[1])
    point, _ = place(record)
    assert main(["verify", str(path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[1] == f"tuning: point {point} of the space digital, study {study_of(point)}, as regenerated here"
    assert printed[-1].startswith("equal: ")
    config: Any = record.config
    config["optimizer"]["init_args"]["lr"] = 0.123
    forged = tmp_path / "forged.json"
    write_record(forged, record.model_copy(update={"config": config, "config_hash": config_hash(config)}))
    assert main(["verify", str(forged), "--dry-run"]) == 1
    assert (
        capsys.readouterr()
        .out.splitlines()[-1]
        .startswith(f"different: tuning: point {point} of the space digital has optimizer.lr ")
    )


def test_a_trial_that_failed_stops_the_choice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "tuning.yaml", tmp_path / "out"
    path.write_text(TUNING.replace("limit_train_batches: 8", "limit_train_batches: 8, data.train_size: 5000"))
    assert main(["tune", str(path), f"--out={out}"]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1] == "digital: 15 of 15 trials are not complete; nothing is chosen"
    assert captured.err.splitlines()[-1] == "15 of 15 runs failed; --retry runs them again"


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("data.val_size: 0", "leaves nothing to judge a trial on; write set: {data.val_size: 5000}"),
        ("trainer.limit_val_batches: 0", "leaves nothing to judge a trial on; write null, for all of them"),
    ],
)
def test_a_plan_whose_trials_nobody_could_judge_is_refused_before_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, hint: str
) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(TUNING.replace("set: {", f"set: {{{key}, "))
    assert main(["tune", str(plan), f"--out={tmp_path / 'out'}"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"error: digital-trial01: {key} {hint}"
    assert not (tmp_path / "out").exists()


def diverge(path: Path, record: Record) -> None:
    """Make a record one of a run that diverged, at the place where such a run lies."""
    write_record(path, record.model_copy(update={"status": "diverged", "error": "the loss is nan", "final": {}}))
    path.parent.rename(path.parent.with_suffix(".attempt"))


def test_a_run_that_diverged_is_a_result_and_a_study_may_have_no_winner(
    tuning: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(tuning.parent / "out", out)
    for path, record in list(records(out)):
        point, is_trial = place(record)
        if (is_trial and 6 <= point <= 10) or (not is_trial and study_of(point) == 3 and record.seed == 1):
            diverge(path, record)
        elif not is_trial and study_of(point) == 2:
            shutil.rmtree(path.parent)
    assert main(["tune", str(tuning), f"--out={out}"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0] == f"trials: 15 runs: 10 done, 5 diverged, 0 left; results in {out}"
    assert lines[3] == "digital: study 2 is without a winner: no trial has a finite result"
    assert lines[4:] == [f"trainings of the best points: 4 runs: 3 done, 1 diverged, 0 left; results in {out}"]
    assert "--retry" not in captured.err
    for path, record in list(records(out)):
        if place(record)[1] and record.status == "complete":
            diverge(path, record)
    assert main(["tune", str(tuning), f"--out={out}", "--retry"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"trials: 15 runs: 0 done, 15 diverged, 0 left; results in {out}",
        *(f"digital: study {study} is without a winner: no trial has a finite result" for study in (1, 2, 3)),
    ]
