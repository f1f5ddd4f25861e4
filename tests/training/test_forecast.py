"""What a large network needs is said before its devices are built."""

import pytest

from resbench.crossbar.array import DeviceArray
from resbench.nn import analog_layers
from resbench.training import forecast as module
from resbench.training.cli import RunCLI
from resbench.training.forecast import Forecast, forecast
from tests.training.runs import REPOSITORY, Run

CONFIG = f"--config={REPOSITORY / 'configs' / 'digits_4bit_residual.yaml'}"


def predicted(*flags: str) -> tuple[RunCLI, Forecast | None]:
    cli = RunCLI([CONFIG, *flags], "resbench fit")
    return cli, forecast(cli.config.model, cli.datamodule, cli.config.trainer)


def test_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 x 64 + 10 x 64 weights on 4 tiles: a weight, two counts and six constants each, and the composite weight."""
    assert predicted()[1] is None
    monkeypatch.setattr(module, "LARGE", 1)
    cli, found = predicted()
    assert found == Forecast(
        weights=4736,
        devices=4 * 4736,
        memory=4736 * (4 * (4 + 8 + 24) + 4),
        checkpoint=4736 * (4 * (4 + 4) + 4),
        steps=10 * 150,
        operations=2 * 2 * 4736 * 8,
    )
    real = sum(
        buffer.nbytes
        for _, layer in analog_layers(cli.model)
        for owner in [layer.algorithm, *(part for part in layer.modules() if isinstance(part, DeviceArray))]
        for buffer in owner.buffers(recurse=False)
    )
    assert real == pytest.approx(found.memory, rel=1e-3)
    half = predicted("--trainer.limit_train_batches=0.5", "--trainer.max_steps=100", "--model.layers=[fc2]")[1]
    assert half is not None
    assert (half.steps, half.weights) == (100, 640)
    assert half.operations == 2 * 8 * (2 * 640 + 3 * 4096)
    assert predicted("--config", str(REPOSITORY / "configs/algorithm/digital.yaml"))[1] is None


def test_fit_says_it_first(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE", 1)
    first, second = run("fit").err.splitlines()
    assert first.startswith("to be built: 4,736 weights on 18,944 devices, which take 0.00065 GiB of memory; a ")
    assert second.startswith("to be trained: 16 mini-batches of about ")
