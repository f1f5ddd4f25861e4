"""Two rows of table 1 in aihwkit: does the accuracy fall there too when the training is long?

``PYTHON leaderboards/studies/aihwkit_length.py tt2 --data DIR --epochs 15 >> aihwkit_length.csv``, where PYTHON is the
interpreter of an environment with aihwkit 1.1.0 and torchvision, and DIR contains ``FashionMNIST/raw``. The settings
are those of ``configs/paper/t1_fashion_mnist_4states_{tt2,residual4}.yaml``; the network, its initial weights and the
order of the images follow from the seed, the pulses do not, because aihwkit cannot be seeded.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from aihwkit.nn.conversion import convert_to_analog
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.configs import (
    BufferedTransferCompound,
    IOParameters,
    MappingParameter,
    SoftBoundsDevice,
    TransferCompound,
    UnitCellRPUConfig,
    UpdateParameters,
)
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

BATCH, HALVED_EVERY, TILES = 16, 30, 4
PERFECT = IOParameters(is_perfect=True)
#: Rate of the optimiser, by row.
RATES = {"tt2": 0.1, "residual4": 0.2}


def rpu_config(row: str) -> UnitCellRPUConfig:
    """The devices and the algorithm of a row; devices have 4 states and aihwkit's spreads."""
    device = SoftBoundsDevice(dw_min=0.5, w_max=1.0, w_min=-1.0)
    common: dict[str, Any] = {"units_in_mbatch": True, "transfer_forward": PERFECT}
    if row == "tt2":
        compound: Any = BufferedTransferCompound(
            unit_cell_devices=[copy.deepcopy(device) for _ in range(2)],
            transfer_every=1.0,
            fast_lr=0.05,
            transfer_lr=1.0,
            scale_transfer_lr=True,
            thres_scale=1.0,
            momentum=0.1,
            **common,
        )
        mapping, desired_bl = MappingParameter(learn_out_scaling=True), 10
    else:
        compound = TransferCompound(
            unit_cell_devices=[copy.deepcopy(device) for _ in range(TILES)],
            gamma_vec=[0.2 ** (TILES - 1 - k) for k in range(TILES)],
            transfer_every_vec=[2.0 * 5.0**k for k in range(TILES)],
            transfer_lr_vec=[0.1 * 1.2 ** (TILES - 1 - k) for k in range(TILES)],
            scale_transfer_lr=False,
            fast_lr=1.0,
            **common,
        )
        mapping, desired_bl = MappingParameter(), 31
    return UnitCellRPUConfig(
        device=compound,
        forward=PERFECT,
        backward=PERFECT,
        mapping=mapping,
        update=UpdateParameters(desired_bl=desired_bl),
    )


def lenet5() -> nn.Sequential:
    """The network of ``resbench.networks.LeNet5``."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 5), nn.Tanh(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Tanh(), nn.Flatten()),
        *(nn.Linear(512, 128), nn.Tanh(), nn.Linear(128, 10)),
    )


def load(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    """Images ``[n, 1, 28, 28]`` from 0 to 1, and classes."""

    def values(name: str, skipped: int) -> Tensor:
        path = folder / "FashionMNIST" / "raw" / name
        data = path.read_bytes() if path.exists() else gzip.decompress(path.with_name(f"{name}.gz").read_bytes())
        return torch.from_numpy(np.frombuffer(data, np.uint8)[skipped:].copy())

    images = values(f"{split}-images-idx3-ubyte", 16).view(-1, 1, 28, 28) / 255.0
    return images, values(f"{split}-labels-idx1-ubyte", 8).long()


def main() -> None:
    """Train, and write a line after each epoch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("row", choices=RATES)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    images, classes = load(args.data, "train")
    test_images, test_classes = load(args.data, "t10k")
    network = convert_to_analog(lenet5(), rpu_config(args.row))
    optimizer = AnalogSGD(network.parameters(), lr=RATES[args.row])
    optimizer.regroup_param_groups(network)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.5 ** (epoch // HALVED_EVERY))
    for epoch in range(1, args.epochs + 1):
        start, loss, right = time.process_time(), 0.0, 0
        network.train()
        for chosen in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            logits = network(images[chosen])
            batch_loss = cross_entropy(logits, classes[chosen])
            batch_loss.backward()
            optimizer.step()
            loss += batch_loss.item() * len(chosen) / len(images)
            right += int((logits.argmax(1) == classes[chosen]).sum())
        schedule.step()
        network.eval()
        with torch.no_grad():
            tested = [network(part).argmax(1) for part in test_images.split(500)]
        test = (torch.cat(tested) == test_classes).double().mean().item()
        values = (f"{loss:.4f}", f"{right / len(images):.4f}", f"{test:.4f}", f"{time.process_time() - start:.0f}")
        print(args.row, args.seed, epoch, *values, sep=",", flush=True)


if __name__ == "__main__":
    main()
