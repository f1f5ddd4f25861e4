"""What lies in ``leaderboards/`` is what its records compile to."""

from pathlib import Path

import pytest

from resbench.leaderboard.compile import compile_leaderboard
from resbench.leaderboard.render import write_leaderboard
from resbench.leaderboard.tables import Leaderboard

PUBLISHED = Path(__file__).parents[2] / "leaderboards"


@pytest.fixture(scope="module")
def compiled() -> Leaderboard:
    return compile_leaderboard(PUBLISHED / "records")


def test_published_tables_and_page_are_compiled_from_the_records(compiled: Leaderboard, tmp_path: Path) -> None:
    written = write_leaderboard(compiled, tmp_path)
    assert {path.name for path in written} == {path.name for path in PUBLISHED.glob("leaderboard.*")}
    different = [path.name for path in written if path.read_bytes() != (PUBLISHED / path.name).read_bytes()]
    assert not different, "write: resbench leaderboard --out leaderboards --figures leaderboards"


def test_no_published_record_is_rejected_or_from_an_uncommitted_state(compiled: Leaderboard) -> None:
    assert not compiled.rejected
    assert not [path.name for path in PUBLISHED.rglob("records/*/*.json") if '"dirty": true' in path.read_text()]
