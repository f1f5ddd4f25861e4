"""The README prints the accuracies that a reader gets: the two cheapest rows are trained again."""

from __future__ import annotations

from pathlib import Path

import pytest

from resbench.records.schema import read_record
from resbench.training.fit import fit
from resbench.training.process import is_x86_64

REPOSITORY = Path(__file__).resolve().parents[1]
SEEDS = range(6)


def printed(row: str, column: str) -> str:
    """The entry of the README's table of accuracies."""
    lines = (REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    (head,) = (line for line in cells if line[0] == "states")
    found = next(line for line in cells[cells.index(head) :] if line[0] == row)
    return found[head.index(column)]


@pytest.mark.skipif(not is_x86_64(), reason="portable arithmetic speaks of x86-64 processors")
@pytest.mark.parametrize(
    ("row", "column", "configs", "flags"),
    [
        ("Digital SGD", "2", ["algorithm/digital.yaml"], []),
        ("Analog SGD", "2", ["device/softbounds.yaml", "algorithm/analog_sgd.yaml"], ["--model.device.states=2"]),
    ],
)
def test_a_row_of_the_readme_is_what_a_reader_gets(
    row: str, column: str, configs: list[str], flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = [f"--config={REPOSITORY / 'configs' / name}" for name in ("track/digits_mlp.yaml", *configs)]
    for seed in SEEDS:
        assert fit([*files, *flags, f"--seed_everything={seed}", "--trainer.enable_progress_bar=false"]) == 0
    accuracies = [read_record(path).final["test/acc"] for path in Path("runs").glob("*/*/record.json")]
    assert len(accuracies) == len(SEEDS)
    assert f"{100 * sum(accuracies) / len(SEEDS):.1f}" == printed(row, column)
