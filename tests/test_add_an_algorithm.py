"""docs/add-an-algorithm.md, followed word for word in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = (REPOSITORY / "docs" / "add-an-algorithm.md").read_text(encoding="utf-8")
FILES = ("sign_update.py", "leaky_tiki_taka.py", "sign_update.yaml", "sign_update_sweep.yaml")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_listings_are_the_files_of_the_example() -> None:
    listings = [*blocks("python"), *blocks("yaml")]
    assert listings == [(REPOSITORY / "examples" / name).read_text(encoding="utf-8") for name in FILES]


@pytest.mark.slow
def test_the_commands_lead_to_a_row(tmp_path: Path) -> None:
    for name, listing in zip(FILES, [*blocks("python"), *blocks("yaml")], strict=True):
        (tmp_path / name).write_text(listing, encoding="utf-8")
    output = {}
    for command in "".join(blocks("bash")).splitlines():
        resbench, *arguments = command.split()
        assert resbench == "resbench"
        if arguments[0] == "sweep":  # its 21 runs are many times the one before
            arguments.append("--plan")
        finished = subprocess.run(
            [sys.executable, "-m", "resbench", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        output[arguments[1] if arguments[0] == "check" else arguments[0]] = finished.stdout
    own, variant = "sign_update.SignUpdate", "leaky_tiki_taka.LeakyTikiTaka"
    assert list(output) == [own, "fit", "cost", "sweep", "leaderboard", variant]
    assert all("18 of 18 checks passed" in output[name] for name in (own, variant))
    assert re.search(r"^\|\s+\|\s+Sign update \|$", output["cost"], flags=re.MULTILINE)
    promised, found = (re.findall(r"test/acc ([\d.]+)", text) for text in (PAGE, output["fit"]))
    # Equal on one machine; another may sum the products of the network in another order.
    assert float(found[0]) == pytest.approx(float(promised[0]), abs=0.1)
    assert "sign_update-states10" in output["sweep"]
    assert re.search(r"^\| Sign update \| \d\d\.\d\d ", output["leaderboard"], flags=re.MULTILINE)
