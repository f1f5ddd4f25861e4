import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resbench.cli import main
from resbench.leaderboard.compact import Compactor
from resbench.leaderboard.runs import Run
from resbench.leaderboard.submission import check, destination, pull_request
from resbench.leaderboard.tables import Rejected
from resbench.records.identity import config_hash
from resbench.records.schema import EpochMetrics, GitState, Record, read_record, write_record
from tests.records.factory import OLD, old_record

MakeRecord = Callable[..., Record]


@pytest.fixture
def sound(make_record: MakeRecord) -> Callable[..., Run]:
    """A run that follows the rules; ``update`` changes fields of its record."""

    def make(seed: int = 0, file: str = "", update: dict[str, Any] | None = None, **arguments: Any) -> Run:
        record = make_record(seed=seed, **arguments)
        changes = {"data": {"name": "MNISTData", "sha256": {"train": "4f" * 32}}} | (update or {})
        return Run(file=file or f"{seed}.json", record=record.model_copy(update=changes))

    return make


def with_config(run: Run, **trainer: Any) -> Run:
    config: Any = copy.deepcopy(run.record.config)
    config["trainer"] |= trainer
    record = run.record.model_copy(update={"config": config, "config_hash": config_hash(config)})
    return Run(file=run.file, record=record)


def with_experiment(run: Run, **experiment: str) -> Run:
    config: Any = copy.deepcopy(run.record.config)
    config["experiment"] |= experiment
    record = run.record.model_copy(update={"config": config, "config_hash": config_hash(config)})
    return Run(file=run.file, record=record)


def texts(findings: Any, problem: bool) -> list[str]:
    return [finding.text for finding in findings if finding.problem == problem]


def test_three_seeds_of_a_known_track_pass_without_a_word(sound: Callable[..., Run]) -> None:
    board = [sound(seed, file=f"board/{seed}.json", algorithm="TT-v1", tiles=2) for seed in range(3)]
    assert check([sound(seed) for seed in range(3)], board=board) == []


@pytest.mark.parametrize(
    ("update", "problem"),
    [
        ({"git": GitState(commit="00", dirty=True)}, "git: the checkout had uncommitted changes"),
        (
            {"git": GitState(commit="unknown", dirty=True)},
            "git: it could not be asked which code ran; put git on the PATH",
        ),
        ({"data": {"name": "MNISTData"}}, "data: no checksums"),
        (
            {"epochs": [EpochMetrics(epoch=1, step=5, values={"test/acc": 0.9})]},
            "epochs: test/acc was looked at while training",
        ),
        ({"epochs": [EpochMetrics(epoch=0, step=5, values={"val/acc": 0.9})]}, "epochs: 1 of the 2 of its budget"),
        ({"steps": 0}, "steps: complete without a step"),
        ({"final": {"val/acc": 0.9}}, "final: neither test/acc nor test/loss"),
        ({"final": {"test/acc": 91.0}}, "final: test/acc: 91 is no accuracy; a task reports a fraction from 0 to 1"),
        ({"states": 2.0, "bits": 1.0}, "states: 2.0, and 10.0 by its config; submit the record as the run wrote it"),
    ],
)
def test_a_run_that_breaks_a_rule_is_a_problem(sound: Callable[..., Run], update: dict[str, Any], problem: str) -> None:
    found = texts(check([sound(0, update=update), sound(1), sound(2)]), True)
    assert len(found) == 1
    assert found[0].startswith(problem)


def test_whoever_monitors_test_metrics_selects_on_them(sound: Callable[..., Run]) -> None:
    stopping = {"class_path": "lightning.pytorch.callbacks.EarlyStopping", "init_args": {"monitor": "test/acc"}}
    run = with_config(sound(), callbacks=[stopping])
    assert texts(check([run]), True) == ["config: test/acc is monitored; choose on val/*"]


def test_a_part_of_the_test_set_is_no_test(sound: Callable[..., Run]) -> None:
    run = with_config(sound(), limit_test_batches=1)
    assert texts(check([run]), True) == [
        "config: trainer.limit_test_batches: tested on 1 mini-batch only; write null and test on all"
    ]


def test_other_data_or_limits_than_on_the_board_are_noted(sound: Callable[..., Run]) -> None:
    board = [sound(seed, file=f"board/{seed}.json") for seed in range(3)]
    other = {"data": {"name": "MNISTData", "sha256": {"train": "00" * 32}}}
    notes = texts(check([sound(3, update=other)], board=board), False)
    assert "track: its data have other checksums than on the board: this makes a table of its own" in notes
    notes = texts(check([with_config(sound(0), limit_train_batches=5)], board=board), False)
    assert any("limits: epochs of 5 mini-batches; on the board it is" in note for note in notes)


def test_files_that_are_no_records_are_problems(sound: Callable[..., Run]) -> None:
    findings = check([sound(seed) for seed in range(3)], [Rejected(file="x.json", reason="not strict JSON")])
    assert texts(findings, True) == ["not strict JSON"]


def test_seeds_may_not_be_left_out_and_failures_count_as_run(sound: Callable[..., Run]) -> None:
    assert texts(check([sound(seed) for seed in (1, 4)]), True) == [
        "seeds: 0, 2, 3 missing; a cell has the seeds from 0 on"
    ]
    (text,) = texts(check([sound(seed) for seed in (0, 3, 2**63 - 1)]), True)
    assert text == "seeds: 1, 2, 4, 5, 6, 7, 8, 9, ... missing; a cell has the seeds from 0 on"
    failed = sound(1, status="diverged", final={})
    findings = check([sound(0), failed, sound(2)])
    assert texts(findings, True) == []
    assert "diverged: it is listed, and enters no mean" in texts(findings, False)
    board = [sound(seed, file=f"board/{seed}.json") for seed in (0, 1)]
    assert texts(check([sound(2)], board=board), True) == []


def test_other_settings_have_seeds_of_their_own(sound: Callable[..., Run]) -> None:
    assert len(texts(check([sound(0, lr=0.1), sound(1, lr=0.2)]), True)) == 1


def test_few_seeds_and_new_tracks_are_noted(sound: Callable[..., Run]) -> None:
    notes = texts(check([sound(0)]), False)
    assert notes[0] == "seeds: Residual learning has 1; three give an interval"
    assert notes[1].startswith("track: mnist-10k-lenet5 is new: Classification, LeNet5()")
    longer = [sound(seed, file=f"board/{seed}.json", epochs=3) for seed in range(3)]
    (note,) = texts(check([sound(seed) for seed in range(3)], board=longer), False)
    assert "on the board it is" in note
    assert "this makes a table of its own" in note


def test_what_is_on_the_board_already_is_a_problem(sound: Callable[..., Run]) -> None:
    board = [sound(seed, file=f"board/{seed}.json") for seed in range(3)]
    again = [sound(0, file="again.json"), sound(1, file="other.json", accuracy=0.5), sound(2, file="2.json")]
    assert texts(check(again, board=board), True) == [
        "duplicate of board/2.json, the same config and seed",
        "duplicate of board/0.json, the same config and seed",
        "other metrics than board/1.json (final test/acc: 0.91 and 0.5), the same config and seed",
    ]


def test_a_copy_on_the_board_is_the_same_in_all_that_it_says(sound: Callable[..., Run]) -> None:
    runs = [sound(seed) for seed in range(3)]
    copies = [Run(file=f"board/{destination(run)}", record=Compactor().compact(run.record)) for run in runs]
    assert texts(check(runs, board=copies), True) == []
    faster = Run(file="0.json", record=runs[0].record.model_copy(update={"wall_time_s": 0.001}))
    (problem,) = texts(check([faster, *runs[1:]], board=copies), True)
    assert problem == f"duplicate of {copies[0].file}, the same config and seed"


def test_code_that_is_not_part_of_resbench_is_noted(sound: Callable[..., Run]) -> None:
    logger = {"class_path": "mine.Callback", "init_args": {}}
    run = with_config(sound(), callbacks=[logger])
    assert "config: mine.Callback is not part of resbench; bring its code in the same pull request" in texts(
        check([run]), False
    )


def test_a_record_of_another_version_is_submitted_with_that_version() -> None:
    findings = check([Run(file="old.json", record=old_record())])
    assert f"config: {OLD}, and submit with it" in texts(findings, True)
    assert not any("is not part of resbench" in text for text in texts(findings, False))


def test_what_nobody_could_verify_is_a_problem(sound: Callable[..., Run]) -> None:
    run = with_config(sound(), callbacks=["mine.Callback"])
    assert texts(check([run]), True) == [
        "config: trainer.callbacks.0: 'mine.Callback' is no object with its class_path and init_args; "
        "nobody could run it with resbench verify"
    ]


def test_places_on_the_board_are_plain_and_apart(sound: Callable[..., Run]) -> None:
    run = sound(3, track="../up", algorithm="a/b c")
    assert destination(run) == f"up/a_b_c-10-seed3-{run.record.config_hash[:12]}.json"
    assert destination(sound(status="diverged", states=None, tiles=0, final={})).endswith("-diverged.json")


def test_two_failures_of_one_config_are_two_files(sound: Callable[..., Run]) -> None:
    runs = [sound(status="failed", error=error, final={}) for error in ("a", "b", "b")]
    places = [destination(run) for run in runs]
    assert places[0] != places[1] == places[2]


def test_the_text_shows_what_records_say_as_text(sound: Callable[..., Run]) -> None:
    evil = "![x](http://x/y.png)"
    run = sound(algorithm=evil, update={"git": GitState(commit=evil, dirty=False), "versions": {"torch": evil}})
    text = pull_request([run], check([run]), ["board/0.json"])
    assert evil not in text
    assert text.count(r"\!\[x\](http://x/y.png)") >= 4


def test_the_text_names_what_a_reviewer_needs(sound: Callable[..., Run]) -> None:
    runs = [sound(seed) for seed in range(3)]
    text = pull_request(runs, check(runs), [f"board/{seed}.json" for seed in range(3)])
    for part in ("# Records: Residual learning", "torch 2.15.0", "x86_64, 1 threads, cpu", "032c4200"):
        assert part in text
    assert "`resbench verify board/0.json`" in text
    assert "| Residual learning, 4 tiles | 91.00 [91.00, 91.00] n=3, paper 97.10 ± 0.17 |" in text


def test_the_command_copies_records_and_writes_the_text(
    tmp_path: Path, sound: Callable[..., Run], capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(3):
        run = with_experiment(sound(seed), root=str(tmp_path / "runs"))
        write_record(tmp_path / "runs" / f"{seed}" / "record.json", run.record)
    board, text = tmp_path / "board", tmp_path / "text.md"
    command = ["submit", str(tmp_path / "runs"), "--board", str(board), "--text", str(text)]
    assert main([*command, "--check"]) == 0
    assert not board.exists()
    assert main(command) == 0
    copies = sorted(board.glob("mnist-10k-lenet5/*.json"))
    published = [with_experiment(sound(seed), root="runs").record for seed in range(3)]
    assert [read_record(path) for path in copies] == published
    assert "ready: 3 records" in capsys.readouterr().out
    assert str(copies[0]) in text.read_text(encoding="utf-8")
    said, written = text.read_bytes(), [path.read_bytes() for path in copies]
    copies[1].unlink()  # as if it had been killed
    for _ in range(2):
        assert main(command) == 0, capsys.readouterr().out
        assert text.read_bytes() == said
        assert [path.read_bytes() for path in copies] == written
    assert main(["submit", str(board), "--board", str(board), "--check"]) == 0


def test_the_command_names_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", str(tmp_path / "gone.json")]) == 2
    assert "there is no such file" in capsys.readouterr().err
    assert main(["submit", str(tmp_path)]) == 2
    assert "no record in it" in capsys.readouterr().err
