"""Every YAML file in `configs` is found by being there. It has a comment that describes it, parses, builds, trains."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from resbench.cli import main
from resbench.config.files import read_config, read_mapping
from resbench.sweep.plan import Cell, read_plan, value_arguments
from resbench.sweep.tuning import read_tuning
from resbench.training.cli import RunCLI
from resbench.tuning.entry import tuning_of, wrong_point
from resbench.tuning.space import read_space

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
FILES = sorted(CONFIGS.glob("**/*.yaml"))
EXPERIMENTS = sorted(CONFIGS.glob("*.yaml"))
SWEEPS = sorted(CONFIGS.glob("sweeps/*.yaml"))
TUNINGS = sorted(CONFIGS.glob("tuning/*.yaml"))
SPACES = sorted(CONFIGS.glob("spaces/*.yaml"))


def relative(path: Path) -> str:
    return path.relative_to(CONFIGS).as_posix()


@pytest.fixture(autouse=True)
def leave_torch_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_file_says_what_it_is_and_composes(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert first.startswith("# "), "the first line is what `resbench list configs` prints"
    assert first.endswith(".")
    assert read_mapping(path) if path in {*SWEEPS, *TUNINGS} else read_config(path)


@pytest.mark.parametrize("path", EXPERIMENTS, ids=relative)
def test_experiment_is_named_as_its_file_and_has_a_track(path: Path) -> None:
    experiment = read_config(path)["experiment"]
    assert experiment["name"] == path.stem
    assert experiment["track"]


@pytest.mark.parametrize("path", [path for path in EXPERIMENTS if path.stem.startswith("digits")], ids=relative)
def test_experiment_trains(path: Path, tmp_path: Path) -> None:
    short = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=2", f"--experiment.root={tmp_path}"]
    assert main(["fit", "--config", str(path), *short]) == 0
    assert len(list(tmp_path.glob("*/*/record.json"))) == 1


def covering(path: Path) -> list[Cell]:
    """Cells of a plan in which each file and each value of each axis of a grid is there with its entry, at least once.

    The first cells of the full product in which something new is. So two values of an axis are compared with the same
    values of all others.
    """
    base = read_mapping(path)
    chosen: dict[str, Cell] = {}
    for entry in base["runs"]:
        own = f"--experiment.name={entry['name']}"
        seen: set[str] = set()
        for cell in read_plan(path)[1]:
            *rest, name = cell.arguments
            inside = name == own or name.startswith(f"{own}-")
            if inside and not seen.issuperset(rest):
                seen.update(rest)
                chosen[cell.name] = cell
    return list(chosen.values())


@pytest.mark.parametrize("path", SWEEPS, ids=relative)
def test_sweep_resolves_to_different_runs(path: Path) -> None:
    cells = covering(path)
    cli = RunCLI(cells[0].argv, "resbench fit", build=False)
    hashes = set()
    for cell in cells:
        cli.load(cell.argv)
        hashes.add(cli.config_hash)
    assert len(hashes) == len(cells)


def test_the_cells_that_are_resolved_have_all_that_a_plan_has(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "runs: [{name: a, grid: {config: [device/softbounds.yaml, device/reram.yaml], x: [1, 2, 3]}}, {name: a-b}]"
    )
    names = [cell.name for cell in covering(plan)]
    assert names == ["a-softbounds-x1", "a-softbounds-x2", "a-softbounds-x3", "a-reram-x1", "a-b"]


@pytest.mark.parametrize("path", SPACES, ids=relative)
def test_space_tunes_the_rate_and_its_points_can_be_built(path: Path) -> None:
    space = read_space(path)
    assert space.axes["optimizer.lr"] == read_space(CONFIGS / "spaces" / "digital.yaml").axes["optimizer.lr"]
    parts = [CONFIGS / name for name in ("track/digits_mlp.yaml", "device/softbounds.yaml", *space.config)]
    files = [part for name in parts for part in ("--config", str(name))]
    for point in (space.points[0], space.points[-1]):
        RunCLI([*files, *value_arguments({**space.fixed, **point})], "resbench fit")


@pytest.mark.parametrize("path", TUNINGS, ids=relative)
def test_tuning_resolves_to_the_points_of_its_spaces(path: Path) -> None:
    _, searches = read_tuning(path)
    cli = RunCLI(searches[0].trials[0].argv, "resbench fit", build=False)
    for search in {search.space.name: search for search in searches}.values():
        cli.load(search.trials[1].argv)
        place = tuning_of(cli.resolved)
        assert place
        assert wrong_point(cli.resolved, place, search.space) is None
