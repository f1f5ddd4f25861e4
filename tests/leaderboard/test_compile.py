import copy
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resbench.leaderboard.compile import compile_leaderboard
from resbench.leaderboard.tables import Table
from resbench.leaderboard.wording import titles
from resbench.records.identity import config_hash
from resbench.records.schema import Record, write_record

MakeRecord = Callable[..., Record]


def table_of(folder: Path, *records: Record) -> Table:
    for index, record in enumerate(records):
        write_record(folder / f"{index}.json", record)
    leaderboard = compile_leaderboard(folder)
    assert not leaderboard.rejected
    (table,) = leaderboard.tables
    return table


def reasons(folder: Path, *records: Record) -> dict[str, str]:
    for index, record in enumerate(records):
        write_record(folder / f"{index}.json", record)
    return {entry.file: entry.reason for entry in compile_leaderboard(folder).rejected}


def test_rows_are_algorithms_and_columns_precisions(tmp_path: Path, make_record: MakeRecord) -> None:
    table = table_of(
        tmp_path,
        make_record(states=math.inf, accuracy=0.97),
        make_record(states=4, accuracy=0.8),
        make_record("Analog SGD", tiles=1, states=16, accuracy=0.5),
        make_record(tiles=6, states=4, accuracy=0.95),
    )
    assert table.columns == [4, 16, math.inf]
    assert [row.label for row in table.rows] == [
        "Residual learning, 6 tiles",
        "Residual learning, 4 tiles",
        "Analog SGD",
    ]
    four_tiles = table.rows[1]
    assert [cell and cell.mean for cell in four_tiles.cells] == [0.8, None, 0.97]
    assert four_tiles.mean == pytest.approx(0.885)


def test_cells_average_over_seeds_with_interval_and_gap(tmp_path: Path, make_record: MakeRecord) -> None:
    digital = [make_record("Digital", states=None, tiles=0, seed=seed, accuracy=0.98 + seed / 100) for seed in range(2)]
    analog = [make_record(seed=seed, accuracy=accuracy) for seed, accuracy in enumerate((0.90, 0.92))]
    reference, row = table_of(tmp_path, *analog, *digital).rows
    (cell,) = row.cells
    assert cell
    assert (cell.mean, cell.low, cell.high, cell.gap) == pytest.approx((0.91, 0.90, 0.92, -0.075))
    assert (cell.gap_low, cell.gap_high) == pytest.approx((-0.08, -0.07))
    assert (cell.seeds, cell.values) == ([0, 1], [0.90, 0.92])
    assert reference.digital
    assert reference.cells[0]
    assert reference.cells[0].gap is None


def test_the_result_is_the_final_test_metric_not_the_best_epoch(tmp_path: Path, make_record: MakeRecord) -> None:
    (row,) = table_of(tmp_path, make_record(final={"test/acc": 0.7, "val/acc": 0.95})).rows  # epochs reach 0.9
    assert row.cells[0]
    assert row.cells[0].mean == 0.7


def test_rows_are_ranked_column_by_column_and_the_reference_is_not(tmp_path: Path, make_record: MakeRecord) -> None:
    accuracies = {("TT-v2", 4): 0.7, ("TT-v2", 10): 0.9, ("Residual learning", 4): 0.8, ("Residual learning", 10): 0.9}
    table = table_of(
        tmp_path,
        *(
            make_record(name, states=states, seed=seed, accuracy=accuracy + seed % 2 / 1000)
            for (name, states), accuracy in accuracies.items()
            for seed in range(6)
        ),
        *(make_record("Digital", states=None, tiles=0, seed=seed, accuracy=0.98) for seed in range(6)),
    )
    ranks = {row.label: [cell and (cell.rank, cell.behind) for cell in row.cells] for row in table.rows}
    assert ranks == {
        "Digital": [(None, None)] * 2,
        "Residual learning, 4 tiles": [(1, 0), (1, 0)],
        "TT-v2, 4 tiles": [(2, pytest.approx(0.1)), (1, 0)],
    }
    assert [(ranking.states, len(ranking.claims)) for ranking in table.rankings] == [(4, 1), (10, 0)]


def test_steps_are_counted_to_the_target_of_the_reference(tmp_path: Path, make_record: MakeRecord) -> None:
    table = table_of(tmp_path, make_record(), make_record("Digital", states=None, tiles=0))
    assert table.target == pytest.approx(0.95 * 0.9)
    assert table.rows[1].cells[0]
    assert (table.rows[1].cells[0].steps_to_target, table.rows[1].cells[0].reached) == (1250, 1)


def test_one_seed_has_no_interval_and_no_reference_no_gap(tmp_path: Path, make_record: MakeRecord) -> None:
    (row,) = table_of(tmp_path, make_record(accuracy=0.9)).rows
    assert row.cells[0]
    assert (row.cells[0].low, row.cells[0].high, row.cells[0].gap) == (None, None, None)


def test_the_digital_row_has_its_one_cell_in_every_column_and_comes_first(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    table = table_of(
        tmp_path,
        make_record(states=4, accuracy=0.99),
        make_record(states=16, accuracy=0.99),
        make_record("Digital", states=None, tiles=0, accuracy=0.98),
    )
    assert table.rows[0].label == "Digital"
    assert [cell and cell.mean for cell in table.rows[0].cells] == [0.98, 0.98]


def test_a_track_of_digital_runs_alone_has_one_column(tmp_path: Path, make_record: MakeRecord) -> None:
    table = table_of(tmp_path, make_record("Digital", states=None, tiles=0))
    assert table.columns == [None]


def test_two_digital_rows_are_no_reference(tmp_path: Path, make_record: MakeRecord) -> None:
    digital = [make_record("Digital", states=None, tiles=0, lr=lr) for lr in (0.1, 0.2)]
    rows = table_of(tmp_path, make_record(), *digital).rows
    assert [row.label for row in rows[:2]] == ["Digital (lr=0.1)", "Digital (lr=0.2)"]
    assert rows[2].cells[0]
    assert rows[2].cells[0].gap is None


def test_runs_of_different_settings_are_never_averaged(tmp_path: Path, make_record: MakeRecord) -> None:
    table = table_of(
        tmp_path,
        *(make_record(lr=0.1, seed=seed, accuracy=0.9) for seed in range(2)),
        make_record(lr=0.2, accuracy=0.8),
        make_record(lr=0.2, states=4, accuracy=0.7),
    )
    assert [(row.label, [cell and cell.seeds for cell in row.cells]) for row in table.rows] == [
        ("Residual learning, 4 tiles (lr=0.1)", [None, [0, 1]]),
        ("Residual learning, 4 tiles (lr=0.2)", [[0], [0]]),
    ]


def with_settings(record: Record, **settings: Any) -> Record:
    """The record with other arguments of its algorithm in the config."""
    config = json.loads(json.dumps(record.config))
    config["model"]["init_args"]["algorithm"]["init_args"] |= settings
    return record.model_copy(update={"config": config, "config_hash": config_hash(config)})


def test_a_label_names_what_sets_rows_apart_and_stays_short(tmp_path: Path, make_record: MakeRecord) -> None:
    noisy = {"class_path": "resbench.crossbar.periphery.IOParameters", "init_args": {"out_noise": 0.06, "inp_res": 0.1}}
    names = {f"s{index}": index for index in range(5)}
    table = table_of(
        tmp_path,
        with_settings(make_record(accuracy=0.9), transfer_io=None),
        with_settings(make_record(accuracy=0.8), transfer_io=noisy),
    )
    assert [row.label for row in table.rows] == [
        "Residual learning, 4 tiles (transfer_io=null)",
        "Residual learning, 4 tiles (transfer_io=IOParameters)",
    ]
    table = table_of(
        tmp_path, *(with_settings(make_record(accuracy=a), **{k: v + a for k, v in names.items()}) for a in (0.5, 0.25))
    )
    for row in table.rows:
        assert re.fullmatch(
            r"Residual learning, 4 tiles \(s0=0.2?5, s1=1.2?5, s2=2.2?5, 2 more, [0-9a-f]{6}\)", row.label
        )


def test_rows_that_a_short_label_cannot_tell_apart_are_still_two(tmp_path: Path, make_record: MakeRecord) -> None:
    table = table_of(
        tmp_path,
        *(
            with_settings(make_record(accuracy=index / 4), pulses=p)
            for index, p in enumerate([None, {"a": 1}, {"a": 2}])
        ),
    )
    assert len({row.label for row in table.rows}) == 3
    assert table.rows[0].label.startswith("Residual learning, 4 tiles (pulses=set, ")


def test_only_the_seed_of_the_run_is_left_out_of_a_comparison(tmp_path: Path, make_record: MakeRecord) -> None:
    """An argument of an algorithm that is called seed, and equals the seed of the run, is a setting."""
    records = []
    for seed, own in ((0, 0), (1, 1), (2, 1)):
        record = make_record(seed=seed)
        config: Any = copy.deepcopy(record.config)
        config["model"]["init_args"]["seed"] = config["data"]["init_args"]["seed"] = seed
        config["model"]["init_args"]["algorithm"]["init_args"] |= {"seed": own, "mask_seed": 5}
        records.append(record.model_copy(update={"config": config, "config_hash": config_hash(config)}))
    cells = {row.label: row.cells[0] for row in table_of(tmp_path, *records).rows}
    assert {label: cell and cell.seeds for label, cell in cells.items()} == {
        "Residual learning, 4 tiles (seed=0)": [0],
        "Residual learning, 4 tiles (seed=1)": [1, 2],
    }


def test_settings_tuned_for_each_precision_share_a_row(tmp_path: Path, make_record: MakeRecord) -> None:
    table = table_of(tmp_path, make_record(states=4, lr=0.1), make_record(states=10, lr=0.2))
    assert [row.label for row in table.rows] == ["Residual learning, 4 tiles"]


def test_device_models_of_one_track_have_rows_of_their_own(tmp_path: Path, make_record: MakeRecord) -> None:
    table = table_of(
        tmp_path,
        make_record(states=4, accuracy=0.8),
        make_record(states=10, accuracy=0.7, device_name="ExpStep"),
        make_record("Digital", states=None, tiles=0),
    )
    labels = ["Digital", "Residual learning, 4 tiles on SoftBounds", "Residual learning, 4 tiles on ExpStep"]
    assert [row.label for row in table.rows] == labels


def test_tracks_of_one_name_but_other_budgets_are_apart(tmp_path: Path, make_record: MakeRecord) -> None:
    for epochs in (2, 3):
        write_record(tmp_path / f"{epochs}.json", make_record(epochs=epochs))
    assert [table.track.budget.epochs for table in compile_leaderboard(tmp_path).tables] == [2, 3]


def with_trainer(record: Record, **trainer: Any) -> Record:
    config: Any = copy.deepcopy(record.config)
    config["trainer"] |= trainer
    return record.model_copy(update={"config": config, "config_hash": config_hash(config)})


@pytest.mark.parametrize(
    ("trainer", "limit"),
    [
        ({"limit_train_batches": 5}, "epochs of 5 mini-batches"),
        ({"limit_train_batches": 1}, "epochs of 1 mini-batch"),
        ({"limit_train_batches": 0.5}, "epochs of 0.5 of the mini-batches"),
        ({"overfit_batches": 3}, "overfits 3 mini-batches"),
        ({"accumulate_grad_batches": 4}, "steps of 4 mini-batches"),
        ({"limit_train_batches": "\x1b[2J"}, "epochs of \\x1b[2J"),
    ],
)
def test_limits_of_the_trainer_make_another_track(
    tmp_path: Path, make_record: MakeRecord, trainer: dict[str, Any], limit: str
) -> None:
    write_record(tmp_path / "whole.json", make_record())
    write_record(tmp_path / "limited.json", with_trainer(make_record(), **trainer))
    whole, limited = compile_leaderboard(tmp_path).tables
    assert (whole.track.limits, limited.track.limits) == ([], [limit])
    assert [row.cells[0].files for table in (whole, limited) for row in table.rows if row.cells[0]] == [
        ["whole.json"],
        ["limited.json"],
    ]
    names = titles([whole, limited])
    assert names == ["mnist-10k-lenet5", f"mnist-10k-lenet5, limits: {limit}"]


def test_what_limits_nothing_makes_no_track(tmp_path: Path, make_record: MakeRecord) -> None:
    full = {"limit_train_batches": 1.0, "overfit_batches": 0.0, "accumulate_grad_batches": 1, "fast_dev_run": False}
    table = table_of(tmp_path, make_record(), with_trainer(make_record(seed=1), **full, limit_test_batches=1.0))
    assert table.track.limits == []


def test_other_data_make_another_table(tmp_path: Path, make_record: MakeRecord) -> None:
    for index, (train, test, val) in enumerate([("a", "b", "c"), ("a", "b", "d"), ("a", "x", "c"), ("y", "b", "c")]):
        data = {"name": "MNIST", "sha256": {"train": train, "test": test, "val": val}}
        record = make_record(accuracy=0.9 + index / 100, seed=int(index == 1))
        write_record(tmp_path / f"{index}.json", record.model_copy(update={"data": data}))
    board = compile_leaderboard(tmp_path)
    assert not board.rejected
    cells = [row.cells[0] for table in board.tables for row in table.rows]
    assert sorted(cell.files for cell in cells if cell) == [["0.json", "1.json"], ["2.json"], ["3.json"]]
    assert len(set(titles(board.tables))) == 3


def test_what_was_not_trained_or_not_tested_on_all_is_no_result(tmp_path: Path, make_record: MakeRecord) -> None:
    assert reasons(
        tmp_path,
        with_trainer(make_record(seed=0), limit_test_batches=1),
        with_trainer(make_record(seed=1), limit_test_batches=0.25),
        with_trainer(make_record(seed=2), fast_dev_run=True),
        make_record(seed=3).model_copy(update={"steps": 0, "epochs": []}),
        make_record(seed=4, accuracy=91.0),
    ) == {
        "0.json": "trainer.limit_test_batches: tested on 1 mini-batch only",
        "1.json": "trainer.limit_test_batches: tested on 0.25 of the mini-batches only",
        "2.json": "trainer.fast_dev_run: tested on 1 mini-batch only",
        "3.json": "steps: complete without a step of training",
        "4.json": "test/acc: 91 is no accuracy; a task reports a fraction from 0 to 1",
    }
    assert compile_leaderboard(tmp_path).tables == []


def test_runs_that_did_not_complete_are_counted_not_averaged(tmp_path: Path, make_record: MakeRecord) -> None:
    table = table_of(
        tmp_path,
        make_record(seed=0, accuracy=0.9),
        make_record(seed=1, status="diverged", final={"test/acc": 0.1}),
        make_record("TT-v1", tiles=2, status="failed", error="Traceback\nRuntimeError: no memory"),
    )
    finished, failed = table.rows
    assert finished.cells[0]
    assert (finished.cells[0].seeds, finished.unfinished) == ([0], 1)
    assert (failed.label, failed.cells, failed.mean, failed.unfinished) == ("TT-v1", [None], None, 1)
    assert [(run.file, run.status) for run in table.unfinished] == [("1.json", "diverged"), ("2.json", "failed")]


def test_a_row_with_a_seed_that_diverged_has_no_rank(tmp_path: Path, make_record: MakeRecord) -> None:
    table = table_of(
        tmp_path,
        *(
            make_record(name, tiles=1, states=states, seed=seed, accuracy=accuracy + seed % 2 / 1000)
            for name, accuracy in (("A", 0.9), ("B", 0.8), ("C", 0.7))
            for states in (4, 10)
            for seed in range(6)
        ),
        make_record("A", tiles=1, states=4, seed=6, status="diverged", final={}),
        make_record("B", tiles=1, states=4, seed=6, status="failed", error="no memory", final={}),
    )
    ranks = {row.label: [cell and cell.rank for cell in row.cells] for row in table.rows}
    assert ranks == {"A": [None, 1], "B": [1, 2], "C": [2, 3]}
    assert [ranking.comparisons for ranking in table.rankings] == [1, 3]


def test_what_is_left_of_a_cell_is_neither_the_best_nor_a_reference(tmp_path: Path, make_record: MakeRecord) -> None:
    table = table_of(
        tmp_path,
        make_record("Digital", states=None, tiles=0, accuracy=0.98),
        *(make_record("A", tiles=1, states=states, accuracy=0.9) for states in (4, 10)),
        make_record("A", tiles=1, states=4, seed=1, status="diverged", final={}),
        make_record("B", tiles=1, states=4, accuracy=0.8),
        make_record("C", tiles=1, states=4, accuracy=0.55),
    )
    cells = {row.label: [cell and (cell.mean, cell.behind, cell.diverged) for cell in row.cells] for row in table.rows}
    assert cells["A"] == [(0.9, None, 1), (0.9, 0.0, 0)]
    assert cells["B"][0] == (0.8, 0.0, 0)
    assert cells["C"][0] == (0.55, 0.25, 0)
    assert next(row.profile for row in table.rows if row.label == "A") == [(0.0, 0.5)]
    assert next(row.cells[0] for row in table.rows if row.digital)
    lost = make_record("Digital", states=None, tiles=0, seed=1, status="diverged", final={})
    write_record(tmp_path / "lost.json", lost)
    (table,) = compile_leaderboard(tmp_path).tables
    assert table.target is None
    assert {cell.gap for row in table.rows for cell in row.cells if cell} == {None}
    assert {cell.diverged for cell in table.rows[0].cells if cell} == {1}


def test_a_table_has_the_metric_of_most_runs(tmp_path: Path, make_record: MakeRecord) -> None:
    losses = [make_record(name, tiles=2, final={"test/loss": 2.0}) for name in ("A", "B")]
    assert table_of(tmp_path, *losses).metric.key == "test/loss"
    # A stray accuracy counts less than two losses, and a stray loss less than two accuracies, which have losses too.
    assert reasons(tmp_path, *losses, make_record(final={"test/acc": 0.9})) == {"2.json": "no final test/loss"}
    stray = make_record("C", tiles=2, final={"test/loss": 2.0})
    assert reasons(tmp_path, make_record(), make_record(seed=1), stray) == {"2.json": "no final test/acc"}


def test_without_accuracy_the_lower_test_loss_is_better(tmp_path: Path, make_record: MakeRecord) -> None:
    table = table_of(
        tmp_path,
        make_record("TT-v2", tiles=2, final={"test/loss": 1.9}),
        make_record("Analog SGD", tiles=1, final={"test/loss": 2.4}),
        make_record("TT-v1", tiles=2, final={"test/loss": math.nan}),
    )
    assert table.metric.key == "test/loss"
    assert [row.label for row in table.rows] == ["TT-v2", "Analog SGD", "TT-v1"]


def test_of_equal_repeats_the_earliest_counts(tmp_path: Path, make_record: MakeRecord) -> None:
    repeats = [make_record(minutes=minutes) for minutes in (10, 0, 20)]
    assert reasons(tmp_path, *repeats) == {"0.json": "duplicate of 1.json", "2.json": "duplicate of 1.json"}
    assert compile_leaderboard(tmp_path).tables[0].rows[0].cells[0]


def test_repeats_that_disagree_are_all_refused(tmp_path: Path, make_record: MakeRecord) -> None:
    repeats = [make_record(accuracy=accuracy, minutes=index) for index, accuracy in enumerate((0.9, 0.9, 0.91))]
    reason = "conflicting: same config and seed, other metrics (final test/acc: 0.9 and 0.91) in 0.json, 1.json, 2.json"
    assert reasons(tmp_path, *repeats) == dict.fromkeys(["0.json", "1.json", "2.json"], reason)
    assert compile_leaderboard(tmp_path).tables == []


def test_a_complete_run_without_the_metric_of_its_track_is_refused(tmp_path: Path, make_record: MakeRecord) -> None:
    records = make_record(seed=0), make_record(seed=1, final={"test/loss": 0.3})
    assert reasons(tmp_path, *records) == {"1.json": "no final test/acc"}
