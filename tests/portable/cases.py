"""The trainings whose bits are compared, each a few steps, and how their bits become a digest.

A case of `fit` is a command line; its digest is one of all metrics and of every tensor in the checkpoint: weights of
tiles, constants of devices, digital parameters, buffers of the optimiser. Cases of devices do all that can happen to a
tile, without a training.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from resbench.crossbar import presets  # noqa: F401 - its devices are in the zoo
from resbench.crossbar.devices import Device, VectorCell
from resbench.crossbar.devices.drift import Drift
from resbench.crossbar.randomness import Stream
from resbench.crossbar.unit_cells import make_tile
from resbench.records.schema import read_record
from resbench.training.cli import RunCLI
from resbench.training.fit import fit
from tests.crossbar.zoo import PULSED, ZOO, model_name

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
DEVICE = ["--config", f"{CONFIGS}/device/softbounds.yaml", "--model.device.states=10"]
ALWAYS = ["--trainer.max_epochs=1", "--trainer.enable_progress_bar=false"]
DIGITS = ["--config", f"{CONFIGS}/track/digits_mlp.yaml", "--data.train_size=64", "--data.eval_batch_size=100"]
IMAGES = ["--data=tests.portable.patterns.Patterns", "--data.val_size=16"]
LENET = [
    *("--config", f"{CONFIGS}/task/classification.yaml", "--config", f"{CONFIGS}/network/lenet5.yaml"),
    *(*IMAGES, "--data.batch_size=8", "--optimizer=resbench.nn.AnalogOptimizer", "--optimizer.lr=0.05"),
]
RESNET = [
    *("--config", f"{CONFIGS}/task/classification.yaml", "--config", f"{CONFIGS}/network/resnet20.yaml"),
    *(*IMAGES, "--data.channels=3", "--data.side=32", "--data.samples=72", "--data.batch_size=16"),
    *("--model.layers=[layer3,fc]", "--model.label_smoothing=0.1", "--optimizer=resbench.nn.AnalogOptimizer"),
    *("--optimizer.lr=0.1", "--data.augmentation={padding: 4, flip: true, cutout: 8}"),
]
GPT = [
    *("--config", f"{CONFIGS}/task/language.yaml", "--config", f"{CONFIGS}/network/char_gpt_small.yaml"),
    *("--data=CharacterData", "--data.root=.", "--data.path=text.txt", "--data.context=64", "--data.batch_size=8"),
    *("--data.steps_per_epoch=4", "--optimizer=resbench.nn.AnalogOptimizer", "--optimizer.lr=0.1"),
]


def algorithm(name: str) -> list[str]:
    """A fragment that names an algorithm."""
    return ["--config", f"{CONFIGS}/algorithm/{name}.yaml"]


def _policy(device: Device) -> str:
    return f", {device.update_policy}" if isinstance(device, VectorCell) and type(device) is VectorCell else ""


NOISY = ["--config", f"{CONFIGS}/periphery/noisy.yaml"]
FITS: dict[str, list[str]] = {
    **{
        f"digits, {path.stem}": [*DIGITS, *DEVICE, *algorithm(path.stem)]
        for path in sorted(CONFIGS.glob("algorithm/*.yaml"))
        if "_resnet" not in path.stem and "_cifar" not in path.stem
    },
    "digits, noisy converters": [*DIGITS, *DEVICE, *algorithm("tiki_taka_v2_digits"), *NOISY],
    "digits, two threads": [*DIGITS, *DEVICE, *algorithm("residual_digits"), "--threads=2"],
    "LeNet-5, digital": [*LENET, *algorithm("digital")],
    "LeNet-5, residual": [*LENET, *DEVICE, *algorithm("residual_lenet5")],
    "LeNet-5, mixed precision, noisy converters": [*LENET, *DEVICE, *algorithm("mixed_precision"), *NOISY],
    "LeNet-5, digital, Adam": [
        *(*LENET, *algorithm("digital")),
        *("--optimizer=torch.optim.AdamW", "--optimizer.lr=0.001", "--optimizer.weight_decay=0"),
    ],
    "ResNet-20, digital": [*RESNET, *algorithm("digital")],
    "ResNet-20, TT-v2": [*RESNET, *DEVICE, *algorithm("tiki_taka_v2_cifar")],
    "GPT, digital": [*GPT, *algorithm("digital")],
    "GPT, residual": [*GPT, *DEVICE, *algorithm("residual_resnet"), "--model.algorithm.tiles=3"],
}
DEVICES: dict[str, Device] = {
    **{f"device {model_name(device)}{_policy(device)}": device for device in ZOO},
    **{
        f"device {type(device).__name__}, time": type(device)(
            states=None if device.is_continuous else 10,
            write_noise_std=0.5,
            diffusion=0.01,
            lifetime=50.0,
            lifetime_dtod=0.1,
            drift=Drift(nu=0.1, nu_dtod=0.1, nu_std=0.1, nu_k=0.01, w_noise_std=0.01, w_offset=-2.0),
        )
        for device in PULSED
        if type(device).__module__.startswith("resbench.crossbar.devices") and type(device).__name__ != "SoftBoundsPmax"
    },
}
CASES = [*FITS, *DEVICES]


def digest(case: str) -> str:
    """The digest of a case, 16 hexadecimal digits; writes into a temporary folder only.

    Raises:
        RuntimeError: where the training did not end well, with what it printed.
    """
    return _fit_digest(FITS[case]) if case in FITS else _device_digest(DEVICES[case])


def _fit_digest(arguments: list[str]) -> str:
    from tests.portable.patterns import write_text

    before = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_text(Path("text.txt"))
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            status = fit([*arguments, *ALWAYS])
        torch.set_num_threads(before)
        if status != 0:
            raise RuntimeError(printed.getvalue())
        (run,) = (path.parent for path in Path("runs").glob("*/*/record.json"))
        record = read_record(run / "record.json")
        checkpoint = torch.load(run / "last.ckpt", weights_only=True)
        parts = [record.epochs, sorted(record.final.items()), record.layers, sorted(record.data["sha256"].items())]  # type: ignore[union-attr]
        model = RunCLI(["--config", str(run / "config.yaml")], "resbench fit").model
        model.load_state_dict(checkpoint["state_dict"])  # constants of the devices are drawn again
        return _digest(repr(parts), (model.state_dict(), checkpoint["optimizer_states"]))


def _device_digest(device: Device) -> str:
    stream = Stream.from_seed(5)
    tile = make_tile(device, (9, 7), stream.child("tile"))
    x, d, weight = (
        2 * stream.child(name).uniform(shape) - 1 for name, shape in (("x", (6, 7)), ("d", (6, 9)), ("w", (9, 7)))
    )
    tile.program(0.3 * weight)
    tile.update(x, d, 0.3)
    tile.end_of_step()
    tile.write(torch.tensor([2, 5]), d[:2], 0.2)
    element = getattr(tile, "element", None) if isinstance(getattr(device, "drift", None), Drift) else None
    for _ in range(2):
        if element is not None:
            tile.pass_time(7.0)
        tile.update(x, -d, 0.3)
    tile.reset(probability=0.5)
    return _digest("", (dict(tile.state_dict()), tile.weight))


def _digest(text: str, value: Any) -> str:
    found = hashlib.sha256(text.encode())
    for place, tensor in _tensors(value):
        found.update(place.encode())
        found.update(tensor.detach().contiguous().view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return found.hexdigest()[:16]


def _tensors(value: Any, place: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor in nested containers with its place, in a fixed order."""
    if isinstance(value, torch.Tensor):
        yield place, value.reshape(-1) if value.dim() == 0 else value
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            yield from _tensors(value[key], f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _tensors(item, f"{place}.{index}")


def chosen(names: Sequence[str]) -> list[str]:
    """The cases that contain one of these words; all of them for none."""
    return [case for case in CASES if not names or any(name in case for name in names)]
