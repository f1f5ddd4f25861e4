import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resbench.cli import main
from resbench.records.identity import config_hash
from resbench.records.schema import Record, write_record

MakeRecord = Callable[..., Record]


def test_leaderboard_prints_markdown_and_writes_the_same(
    tmp_path: Path, make_record: MakeRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(tmp_path / "records" / "a.json", make_record())
    assert main(["leaderboard", "--records", str(tmp_path / "records"), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "| Residual learning, 4 tiles | 91.00 n=1, paper 97.10 ± 0.17 |" in printed
    assert (tmp_path / "out" / "leaderboard.md").read_text(encoding="utf-8") == printed


def test_leaderboard_without_records_says_what_to_do_in_two_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["leaderboard", "--records", str(tmp_path)]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert len(streams.err.splitlines()) == 2
    assert str(tmp_path) in streams.err
    assert "--records DIR" in streams.err


def test_leaderboard_that_cannot_be_written_is_a_mistake_of_the_user(
    tmp_path: Path, make_record: MakeRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(tmp_path / "a.json", make_record())
    assert main(["leaderboard", "--records", str(tmp_path), "--out", str(tmp_path / "a.json")]) == 2
    assert "name a folder that can be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("submit records --board=loop", 1),
        ("leaderboard --records=records", 0),
        ("leaderboard --records=records --out=loop", 2),
        ("leaderboard --records=records --publish=loop", 2),
        ("report records --out=loop", 2),
    ],
)
def test_a_link_to_itself_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, status: int
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "own.json").symlink_to("own.json")
    (tmp_path / "loop").symlink_to("loop")
    assert main(command.split()) == status
    captured = capsys.readouterr()
    assert any(name in captured.out + captured.err for name in ("own.json", "loop", "records"))


def test_the_logs_of_a_sweep_hold_no_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_record: MakeRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sweep that was killed while it measured leaves the short runs that it began there."""
    monkeypatch.chdir(tmp_path)
    write_record(tmp_path / "runs" / ".logs" / "trial0" / "a" / "0123" / "record.json", make_record())
    for command in ("leaderboard --records=runs", "submit runs", "report runs"):
        assert main(command.split()) == 2
        assert " no " in capsys.readouterr().err


def test_record_validate_prints_one_line_a_file(
    tmp_path: Path, make_record: MakeRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    write_record(good, make_record(seed=3))
    bad.write_text("{}")
    assert main(["record", "validate", str(good)]) == 0
    assert main(["record", "validate", str(bad), str(good)]) == 1
    valid = f"{good}: valid: complete, mnist-10k-lenet5, Residual learning, seed 3"
    invalid = f"{bad}: invalid: not a record: it has no schema_version"
    assert capsys.readouterr().out.splitlines() == [valid, invalid, valid]


def test_record_show_prints_what_a_person_asks_first(
    tmp_path: Path, make_record: MakeRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(tmp_path / "a.json", make_record(tiles=2))
    write_record(tmp_path / "b.json", make_record("Digital", states=None, tiles=0))
    assert main(["record", "show", str(tmp_path / "a.json")]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["algorithm"] == "Residual learning, 2 tiles on SoftBounds, 10 states (3.3 bits)"
    assert lines["final"] == "test/acc 0.9100, test/loss 0.3100, train/loss 0.2000"
    assert lines["pulses"] == "102,000, at most 90 on one device"
    assert main(["record", "show", str(tmp_path / "b.json")]) == 0
    assert "pulses" not in capsys.readouterr().out
    assert main(["record", "show", str(tmp_path / "none.json")]) == 2
    assert "none.json: cannot be read" in capsys.readouterr().err


def test_no_command_sends_a_terminal_what_a_record_says(
    tmp_path: Path, make_record: MakeRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b]0;mine\x07\x1b[2J\u202e\x9b31m"
    record = make_record(status="failed", error=f"{evil}\nlast {evil}", final={})
    stopping = {"class_path": evil, "init_args": {"monitor": f"test/{evil}"}}
    config: Any = record.config | {"trainer": {"callbacks": [stopping], evil: evil}}
    update = {"config": config, "config_hash": config_hash(config)}
    write_record(tmp_path / "failed.json", record.model_copy(update=update))
    names = json.loads(record.model_dump_json())
    names["track"]["name"] = evil
    names[evil] = evil
    (tmp_path / "names.json").write_text(json.dumps(names), encoding="utf-8")
    (tmp_path / f"file{evil}.json").write_text("{}")
    (tmp_path / "version.json").write_text(json.dumps({"schema_version": evil}))
    paths = sorted(map(str, tmp_path.glob("*.json")))
    for command in (
        ["leaderboard", "--records", str(tmp_path), "--out", str(tmp_path / "out")],
        ["record", "validate", *paths],
        *(["record", "show", path] for path in paths),
        *(["verify", path, "--dry-run"] for path in paths),
        *(["cost", "--record", path] for path in paths),
        ["submit", "--check", *paths],
    ):
        main(command)
        streams = capsys.readouterr()
        assert (streams.out + streams.err).replace("\n", "").isprintable(), command
    for path in (tmp_path / "out").iterdir():
        assert path.read_text(encoding="utf-8").replace("\n", "").isprintable(), path


def test_statistics_do_without_the_slow_start_of_scipy(tmp_path: Path, make_record: MakeRecord) -> None:
    for seed in range(6):
        for name in ("A", "B"):
            write_record(tmp_path / f"{name}{seed}.json", make_record(name, seed=seed, accuracy=0.9 + seed / 100))
    code = (
        "import sys; from resbench.cli import main;"
        f"main(['leaderboard', '--records', {str(tmp_path)!r}]);"
        "print({'torch', 'lightning', 'scipy'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "95 % interval" in result.stdout
    assert result.stdout.endswith("set()\n")


def test_what_the_leaderboard_needs_to_start_leaves_heavy_packages_alone() -> None:
    code = (
        "import sys, resbench.leaderboard.compile, resbench.leaderboard.render;"
        "print({'torch', 'lightning', 'numpy', 'scipy'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_figures_are_drawn_for_tracks_with_analog_results(
    tmp_path: Path, make_record: MakeRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    for states in (4, 16):
        write_record(tmp_path / "records" / f"{states}.json", make_record(states=states))
    drawn = []
    for name in ("once", "again"):
        folder = tmp_path / name
        assert main(["leaderboard", "--records", str(tmp_path / "records"), "--figures", str(folder)]) == 0
        (path,) = folder.iterdir()
        drawn.append(path.read_bytes())
    assert path.name == "mnist-10k-lenet5.svg"
    assert drawn[0] == drawn[1]
    (tmp_path / "file").write_text("not a folder")
    assert main(["leaderboard", "--records", str(tmp_path / "records"), "--figures", str(tmp_path / "file")]) == 2
    assert "--figures" in capsys.readouterr().err
