"""Every experiment in configs trains on random data of the right shape, and other fragments can be added to one."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resbench.config.files import read_config, read_mapping
from resbench.leaderboard.paper import paper_results
from resbench.records.schema import Record, read_record
from resbench.sweep.plan import Cell, read_plan
from resbench.training.cli import RunCLI
from resbench.training.fit import fit

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
#: Folders of files that are no configs of a run.
PLANS = ("sweeps", "spaces", "tuning")
FILES = {path: read_config(path) for path in sorted(CONFIGS.glob("**/*.yaml")) if path.parent.name not in PLANS}
EXPERIMENTS = [path for path, config in FILES.items() if "name" in config.get("experiment", {})]
COMPOSED = {CONFIGS / name for path in FILES for name in read_mapping(path).get("compose", [])}
#: Fragments for the command line, which no experiment composes.
ON_TOP = [path for path in FILES if path not in COMPOSED and path not in EXPERIMENTS]
#: One run of every entry of the sweeps that put fragments together themselves.
ENTRIES = [
    cell
    for name in ("mnist_lenet5_cpu", "fashion_lenet5_cpu")
    for cell in {cell.name.split("-")[0]: cell for cell in read_plan(CONFIGS / "sweeps" / f"{name}.yaml")[1]}.values()
]
#: States of the experiments whose device is not one element: those of the element with the fewest.
SEVERAL = {"digits_capacitor_pcm.yaml": 61.824, "digits_multi_memristive.yaml": 16}
HEADLINE = CONFIGS / "cifar10_4bit_residual.yaml"

#: Networks of the same layer names and inputs that are built in no time. The first name that fits is taken.
SMALL = {
    "ResNet9": ["--model.network.width=2"],
    "ResNet": [
        "--model.network=resbench.networks.resnet.CifarResNet",
        "--model.network.blocks=[1,1,1,1]",
        "--model.network.widths=[4,4,8,8]",
        "--model.network.projection=true",
    ],
    "CharGPT": ["--model.network.layers=1", "--model.network.heads=2", "--model.network.width=8"],
}


def title(path: Path) -> str:
    return path.relative_to(CONFIGS).as_posix()


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few random samples of every data set, in the layout of the real files."""
    root, chance = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for name in ("MNIST", "FashionMNIST"):
        raw = root / name / "raw"
        raw.mkdir(parents=True)
        for part in ("train", "t10k"):
            pixels, labels = chance.integers(256, size=20 * 28 * 28), np.arange(20) % 10
            for kind, header, content in (
                ("images-idx3", struct.pack(">IIII", 2051, 20, 28, 28), pixels),
                ("labels-idx1", struct.pack(">II", 2049, 20), labels),
            ):
                (raw / f"{part}-{kind}-ubyte").write_bytes(header + content.astype(np.uint8).tobytes())
    for name, classes, count in (("cifar10", 10, 2), ("cifar100", 100, 1)):
        for part in ("train", "test"):
            for label in range(classes):
                folder = root / name / part / f"{label:02}"
                folder.mkdir(parents=True)
                for number in range(count):
                    image = chance.integers(256, size=(32, 32, 3)).astype(np.uint8)
                    Image.fromarray(image).save(folder / f"{number}.png")
    text = chance.permuted([chr(48 + number % 65) for number in range(4000)])
    (root / "tinyshakespeare.txt").write_text("".join(text), encoding="utf-8")
    return root


def train(arguments: Sequence[str], out: Path) -> Record:
    """The record of two epochs of two mini-batches."""
    threads = torch.get_num_threads()
    try:
        status = fit(
            [
                *arguments,
                *("--trainer.max_epochs=2", "--trainer.limit_train_batches=2", "--trainer.limit_test_batches=1"),
                *("--trainer.accelerator=cpu", "--data.batch_size=10", f"--experiment.root={out}"),
            ]
        )
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(False)
    (file,) = out.glob("*/*/record.json")
    record = read_record(file)
    assert (status, record.status, record.steps) == (0, "complete", 4), record.error
    return record


@pytest.mark.parametrize("path", EXPERIMENTS, ids=title)
def test_experiment_trains(path: Path, root: Path, tmp_path: Path) -> None:
    config = FILES[path]
    network = config["model"]["init_args"]["network"]["class_path"].rpartition(".")[2]
    small: list[str] = next((arguments for name, arguments in SMALL.items() if network.startswith(name)), [])
    data = [f"--data.root={root}"] if "root" in config["data"]["init_args"] else []
    record = train(["--config", str(path), *small, *data], tmp_path)
    states = SEVERAL.get(path.name)
    if states is None and record.device is not None:
        states = config["model"]["init_args"]["device"]["init_args"]["states"]
    assert record.states == (None if states is None else pytest.approx(states, rel=1e-4))
    assert bool(record.layers) == (states is not None)


@pytest.mark.parametrize("cell", ENTRIES, ids=lambda cell: f"{Path(cell.argv[1]).stem}-{cell.name}")
def test_entry_of_a_sweep_trains(cell: Cell, root: Path, tmp_path: Path) -> None:
    record = train([*cell.argv, f"--data.root={root}", "--data.train_size=20"], tmp_path)
    assert (record.states is None) == (cell.name == "digital")


def test_every_printed_result_has_an_experiment_named_after_its_cell() -> None:
    short = {"TikiTaka": "tt1", "TikiTakaV2": "tt2", "MixedPrecision": "mp", "ResidualLearning": "residual"}
    cells = {}
    for table in paper_results()["tables"]:
        for result in table["results"]:
            data = {"FashionMNIST": "fashion_mnist", "Character": "shakespeare"}.get(table["dataset"], table["dataset"])
            algorithm = f"{short[result['algorithm']]}{result['tiles'] or ''}"
            cells[f"{table['table']}_{data}_{table['states']}states_{algorithm}".lower()] = (table, result)
    experiments = {path.stem: FILES[path] for path in EXPERIMENTS if path.parent.name == "paper"}
    assert {name for name in experiments if not name.endswith("digital")} == set(cells)
    for name, (table, result) in cells.items():
        model = experiments[name]["model"]["init_args"]
        assert model["layers"] == table["analog_layers"]
        assert model["network"]["class_path"] == f"resbench.networks.{table['network']}"
        assert model["network"]["init_args"].get("classes", 10) == (100 if table["dataset"] == "CIFAR100" else 10)
        assert experiments[name]["data"]["class_path"] == f"resbench.data.{table['dataset']}Data"
        assert model["device"]["init_args"]["states"] == table["states"]
        assert model["algorithm"]["class_path"] == f"resbench.algorithms.{result['algorithm']}"
        assert result["tiles"] in (None, model["algorithm"].get("init_args", {}).get("tiles"))
        trainer, steps = experiments[name]["trainer"], experiments[name]["data"]["init_args"].get("steps_per_epoch", 1)
        assert table["budget"].startswith(f"{trainer['max_epochs'] * steps} ")


@pytest.mark.parametrize("path", ON_TOP, ids=title)
def test_fragment_fits_on_top_of_an_experiment(path: Path) -> None:
    resolved = RunCLI(["--config", str(HEADLINE), "--config", str(path)], "resbench fit", build=False).resolved
    assert resolved["experiment"]["name"] == HEADLINE.stem


@pytest.mark.parametrize("table", ["t1", "t2", "t9", "t10", "t11", "t12"])
def test_sweep_of_a_table_runs_all_its_experiments(table: str) -> None:
    _, cells = read_plan(CONFIGS / "sweeps" / f"paper_{table}.yaml")
    assert {cell.name for cell in cells} == {path.stem for path in EXPERIMENTS if path.stem.startswith(f"{table}_")}
    assert {cell.seed for cell in cells} == {0, 1, 2}
