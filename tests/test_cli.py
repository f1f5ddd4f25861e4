"""The dispatcher and `resbench list`."""

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from resbench import __version__
from resbench.cli import COMMANDS, main
from resbench.errors import UserError


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_help_has_one_line_for_each_command(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, (_, summary) in COMMANDS.items():
        assert sum(line.split() == [name, *summary.split()] for line in lines) == 1


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"resbench {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "hint"), [("leaderbord", "did you mean 'leaderboard'?"), ("xyz", "'resbench --help' lists the commands")]
)
def test_unknown_command_is_refused_in_one_line(typed: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([typed]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"error: resbench has no command '{typed}': {hint}\n")


def test_abbreviated_flags_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["list", "devices", "--hel"])
    assert "unrecognized arguments: --hel" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["sweep", "plan.yaml", "--out", ""], ["report", ""], ["export", "run", "--to="]])
def test_an_empty_path_is_refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A variable of the shell that is not set would otherwise be the current folder."""
    with pytest.raises(SystemExit, match="2"):
        main(argv)
    assert "it is empty; write a path, or . for the current folder" in capsys.readouterr().err


def test_a_terminal_without_a_character_shows_its_code() -> None:
    argv = [sys.executable, "-m", "resbench", "cost", "--as-printed"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    result = subprocess.run(argv, capture_output=True, text=True, check=True, env=environment)
    assert r"in\xb7out" in result.stdout


@pytest.mark.parametrize(
    ("raised", "status", "message"),
    [
        (KeyboardInterrupt(), 130, "resbench broken: interrupted\n"),
        (UserError("states: 1 is impossible; write 2 or more"), 2, "error: states: 1 is impossible; write 2 or more\n"),
    ],
)
def test_interrupts_and_mistakes_end_in_one_line(
    raised: BaseException,
    status: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(argv: list[str]) -> int:
        raise raised

    module = ModuleType("broken")
    monkeypatch.setattr(module, "run", run, raising=False)
    monkeypatch.setitem(sys.modules, "broken", module)
    monkeypatch.setitem(COMMANDS, "broken", ("broken", ""))
    assert main(["broken"]) == status
    assert capsys.readouterr().err == message


def test_a_reader_that_has_enough_is_no_mistake() -> None:
    command = [sys.executable, "-m", "resbench", "list", "configs"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize("kind", ["algorithms", "devices", "networks", "data", "tasks"])
def test_every_listed_class_path_imports_and_is_concrete(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", kind]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines
    for line in lines:
        class_path, summary = line.split(maxsplit=1)
        module, _, name = class_path.rpartition(".")
        class_ = getattr(__import__(module, fromlist=[name]), name)
        assert not getattr(class_, "__abstractmethods__", None), class_path
        if kind == "devices" and class_.source:
            summary = summary.removesuffix(f" ({class_.obtained}: {class_.source})")
        assert class_.__doc__.partition("\n")[0] == summary


def test_list_configs_shows_each_file_with_its_opening_comment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "configs" / "device").mkdir(parents=True)
    (tmp_path / "configs" / "device" / "b.yaml").write_text("# Four states.\nmodel: {}\n")
    (tmp_path / "configs" / "a.yaml").write_text("seed_everything: 0\n# not its title\n")
    monkeypatch.chdir(tmp_path)
    assert main(["list", "configs"]) == 0
    assert capsys.readouterr().out == "configs/a.yaml\nconfigs/device/b.yaml  Four states.\n"


def test_elsewhere_list_configs_shows_those_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["list", "configs"]) == 0
    for line in capsys.readouterr().out.splitlines():
        assert Path(line.split("  ")[0]).is_absolute()


@pytest.mark.parametrize(
    "argv", ["--help", "list algorithms", "list configs", "leaderboard --help", "record --help", "sweep --help"]
)
def test_starts_without_torch(argv: str) -> None:
    code = f"""
import sys
from resbench.cli import main
try:
    sys.exit(main({argv.split()!r}))
finally:
    heavy = {{"torch", "lightning", "numba"}} & sys.modules.keys()
    assert not heavy, heavy
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
