"""The records of ``leaderboards/``: all of them count, the site is made of them, and the README prints their means."""

from pathlib import Path

import pytest

from resbench.leaderboard.compile import compile_leaderboard
from resbench.leaderboard.figures import write_figures
from resbench.leaderboard.render import write_leaderboard
from resbench.leaderboard.tables import Leaderboard
from resbench.records.described import contradictions
from resbench.records.portable import places, portable
from resbench.records.schema import read_record
from resbench.sweep.plan import read_plan
from resbench.training.cli import RunCLI

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "leaderboards" / "records"
RECORDS = sorted(FOLDER.glob("*/**/*.json"))  # trials of a tuning have a folder of their own


@pytest.fixture(scope="module")
def compiled() -> Leaderboard:
    return compile_leaderboard(FOLDER)


def test_no_published_record_is_rejected_or_from_an_uncommitted_state(compiled: Leaderboard) -> None:
    assert not compiled.rejected
    assert not [path.name for path in RECORDS if '"dirty": true' in path.read_text()]


def test_published_records_say_what_their_configs_say_and_name_no_place_of_a_machine() -> None:
    for record in map(read_record, RECORDS):
        assert contradictions(record) == [], record.run_id
        assert portable(record) is record, record.run_id
        assert list(places(record)) == [], record.run_id


def test_the_site_is_made_of_every_record(compiled: Leaderboard, tmp_path: Path) -> None:
    written = {path.name: path for path in write_leaderboard(compiled, tmp_path)}
    drawn = [path.stem for path in write_figures(compiled, tmp_path)]
    tracks = sorted({path.relative_to(FOLDER).parts[0] for path in RECORDS})
    assert sorted(drawn) == sorted([*tracks, "digits-mlp-tuned", "fashion-lenet5-cpu-tuned"])
    page = written["leaderboard.html"].read_text(encoding="utf-8")
    assert f"{len(tracks)} tracks, {len(RECORDS)} runs." in page
    assert Leaderboard.model_validate_json(written["leaderboard.json"].read_text(encoding="utf-8")) == compiled


def test_the_configs_of_today_have_the_hashes_of_the_records() -> None:
    """Else nobody could take up a published sweep: arguments that are added must not change the hashes of before."""
    published = {path.stem.rpartition("-")[2] for path in RECORDS if path.parent.name == "digits-mlp"}
    cells = [cell for cell in read_plan(REPOSITORY / "configs/sweeps/digits_mlp.yaml")[1] if cell.seed == 0]
    cli = RunCLI(cells[0].argv, "resbench fit", build=False)
    for cell in cells:
        if cell.name.endswith(("digital", "-states4")):
            cli.load(cell.argv)
            assert cli.config_hash[:12] in published, cell.name


def printed(file: str, head: str, rows: int) -> list[list[str]]:
    """The cells of a Markdown table: the line that begins with this heading, and so many rows."""
    lines = (REPOSITORY / file).read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    start = next(index for index, line in enumerate(cells) if line[0] == head)
    return [cells[start], *cells[start + 2 : start + 2 + rows]]


TABLES = [
    ("README.md", "states", "digits-mlp", "default"),
    ("README.md", "states, tuned", "digits-mlp", "tuned"),
    ("docs/leaderboard.md", "LSTM, states", "digits-lstm", "default"),
    ("docs/leaderboard.md", "LeNet-5, states", "fashion-lenet5-cpu", "default"),
    ("docs/leaderboard.md", "LeNet-5 tuned, states", "fashion-lenet5-cpu", "tuned"),
    ("docs/leaderboard.md", "MNIST, states", "mnist-lenet5-cpu", "default"),
]


@pytest.mark.parametrize(("file", "head", "track", "ruleset"), TABLES)
def test_pages_print_the_means_of_the_records(
    compiled: Leaderboard, file: str, head: str, track: str, ruleset: str
) -> None:
    (table,) = (table for table in compiled.tables if (table.track.name, table.ruleset) == (track, ruleset))
    assert printed(file, head, len(table.rows)) == [
        [head, *(f"{states:g}" for states in table.columns if states is not None)],
        *([row.label, *(f"{100 * cell.mean:.1f}" if cell else "-" for cell in row.cells)] for row in table.rows),
    ]


@pytest.mark.parametrize("states", [4, 16])
def test_the_page_on_stress_tracks_prints_the_means_of_the_records(compiled: Leaderboard, states: int) -> None:
    """A track with a device of its own has one number of states, and its results are in both tables."""
    tables = {table.track.name: table for table in compiled.tables if table.ruleset == "default"}
    head, *rows = printed("docs/leaderboard.md", f"{states} states", 11)
    for index, short in enumerate(head[1:], start=1):
        table = tables[f"digits-{short}"]
        column = table.columns.index(states) if states in table.columns else 0
        means = {row.label: cell.mean for row in table.rows if (cell := row.cells[column])}
        assert {row[0]: row[index] for row in rows} == {row[0]: f"{100 * means[row[0]]:.1f}" for row in rows}, short
