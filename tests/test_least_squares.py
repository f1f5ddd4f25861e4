"""The statements of docs/least-squares.md about the example, checked with fewer problems and tiles."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch

FOLDER = Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("least_squares")


def final(example: ModuleType, run: str, tiles: int) -> float:
    """Squared error over the last ten epochs, of 24 problems."""
    targets = torch.rand(24, generator=torch.Generator().manual_seed(0)) * 2 - 1
    curve = example.train((example.COMPARED | example.VARIANTS)[run], tiles, targets)
    losses: list[float] = [loss for _, loss in curve[-10:]]
    return sum(losses) / len(losses)


def test_the_error_falls_with_the_tiles_within_the_theory_and_rises_in_the_letter(example: ModuleType) -> None:
    two, three = (final(example, "within Theorem 3: mean", tiles) for tiles in (2, 3))
    assert three < two / 2
    assert final(example, "patience 5", 3) > 1.5 * three
    one, two = (final(example, "K.3 literally: mean", tiles) for tiles in (1, 2))
    assert two > 2 * one


def test_it_plots_what_it_trained(example: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example.main(["--tiles", "1", "--problems", "4", "--variants", "--out", str(tmp_path / "plot.png")])
    assert (tmp_path / "plot.png").stat().st_size > 10_000
    assert len(capsys.readouterr().out.splitlines()) == len(example.VARIANTS)
