from pathlib import Path

import pytest

from resbench.cli import main

FORGETFUL = '''
from resbench.algorithms import AnalogSGD


class Forgetful(AnalogSGD):
    """Analog SGD whose rate falls, unless somebody interrupts it."""

    def __init__(self, decay: float = 0.1) -> None:
        super().__init__()
        self.decay = decay

    def start(self) -> None:
        self.turns = 0

    def update(self, x, d, lr):
        self.turns += 1
        super().update(x, d, lr / (1 + self.decay * self.turns))


class Mended(Forgetful):
    counters = ("turns",)
'''


CARELESS = '''
import torch
from torch import nn

from resbench.algorithms import Algorithm


class Careless(Algorithm):
    """Nothing is right with it."""

    citation = "none"

    def allocate(self) -> None:
        pass

    def update(self, x, d, lr):
        self.tiles[0].update(x, d, lr)


class WithoutSuper(Careless):
    """Has another constructor below it."""

    def __init__(self, rate: float = 0.1) -> None:
        self.rate = rate


class BelowIt(WithoutSuper):
    """Calls a constructor that does not go on."""

    def __init__(self) -> None:
        super().__init__()


class Early(Careless):
    """Holds a module before it is one."""

    def __init__(self) -> None:
        self.part = nn.Identity()


class Transposed(Careless):
    """Writes [out, in] where [in, out] is meant."""

    def allocate(self) -> None:
        self.add_tile("W")

    def update(self, x, d, lr):
        gradient = d.dense().T @ x.dense()
        lines = torch.arange(self.shape[1])
        self.tiles[0].write(lines, gradient, -lr)
'''

RULED = '''
from resbench.algorithms import AnalogSGD


class Rule:
    """A factor."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor


class Ruled(AnalogSGD):
    """Analog SGD by a rule."""

    def __init__(self, rule: Rule = Rule()) -> None:
        super().__init__()
        self.factor = rule.factor
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "forgetful.py").write_text(FORGETFUL, encoding="utf-8")
    (tmp_path / "careless.py").write_text(CARELESS.lstrip(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_class_of_the_working_directory_is_checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "forgetful.Mended", "decay=0.2"]) == 0
    assert capsys.readouterr().out.endswith("Mended: 18 of 18 checks passed\n")


def test_what_fails_is_said_in_plain_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "forgetful.Forgetful"]) == 1
    output = capsys.readouterr().out
    assert "FAIL  Resumes from a checkpoint bit for bit\n      a run resumed after step 1 of 12 differs in" in output
    assert "a number or list named in `counters`" in output
    assert output.endswith("Forgetful: 17 of 18 checks passed\n")


def test_a_default_that_no_file_holds_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "governed.py").write_text(RULED)
    assert main(["check", "governed.Ruled"]) == 1
    output = capsys.readouterr().out
    assert (
        "FAIL  Can be written in a YAML file\n      argument rule of __init__ has the default <governed.Rule" in output
    )
    assert output.endswith("Ruled: 17 of 18 checks passed\n")


@pytest.mark.parametrize(
    ("name", "complaint", "failed"),
    [
        ("Careless", "ValueError: Careless.allocate (careless.py:12) makes no tile; write self.add_tile(", 16),
        ("WithoutSuper", "TypeError: WithoutSuper.__init__ (careless.py:22) does not call super().__init__(); ", 16),
        ("BelowIt", "TypeError: WithoutSuper.__init__ (careless.py:22) does not call super().__init__(); ", 16),
    ],
)
def test_what_stops_every_check_is_said_once_with_its_place(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, complaint: str, failed: int
) -> None:
    assert main(["check", f"careless.{name}"]) == 1
    output = capsys.readouterr().out
    assert output.count(complaint) == output.count("careless.py") == 1
    assert output.endswith(f"FAIL  {failed - 1} more for a reason above\n{name}: {18 - failed} of 18 checks passed\n")


def test_a_transposed_write_is_found_with_its_place(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "careless.Transposed"]) == 1
    line = "BadValue: values: [3, 4] for 4 columns; write [4, 3], a row for each column (careless.py:49, in update)"
    assert capsys.readouterr().out.count(line) == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["forgetful.Nothing"], "forgetful.Nothing"),
        (["nowhere.Nothing"], "there is no nowhere\n"),
        (["torch.nn.Linear"], "torch.nn.Linear is no Algorithm; write the class_path of one"),
        (["forgetful.Mended", "dcay=0.2"], "dcay: Mended has no such key; did you mean decay?"),
        (["forgetful.Mended", "decay=fast"], "decay: fast does not fit; write a number"),
        (["TikiTaka", "gamma=5"], "gamma: 5.0 is outside"),
        (["TikiTaka", "gamma"], "write name=value"),
        (
            ["AnalogSGD", "a=["],
            "error: init_args: 'a=[': not YAML: expected the node content, but found '<stream end>'",
        ),
        (
            ["AnalogSGD", "a=!x"],
            "error: init_args: 'a=!x': not YAML: could not determine a constructor for the tag '!x'",
        ),
        (["AnalogSGD", f"a={60 * '['}"], "more than 50 levels deep; write for example gamma=0.5"),
        (["AnalogSGD", f"a={5000 * '1'}"], "what is written there is no int; write for example gamma=0.5"),
        (["DigitalSGD"], "nothing to check"),
        (["careless.Early"], "careless.Early cannot be made in"),
    ],
)
def test_what_cannot_be_checked_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert main(["check", *arguments]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
