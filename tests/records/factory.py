"""A factory of records as a run on MNIST writes them."""

import copy
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from resbench.records.identity import config_hash
from resbench.records.schema import (
    AlgorithmEntry,
    Budget,
    DeviceEntry,
    EpochMetrics,
    GitState,
    Hardware,
    LayerEntry,
    Record,
    TileEntry,
    Track,
)

MakeRecord = Callable[..., Record]
STARTED = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
LENET = [("conv1", 16, 25, 576), ("conv2", 32, 400, 64), ("fc1", 128, 512, 1), ("fc2", 10, 128, 1)]


def make_record(
    algorithm: str = "Residual learning",
    *,
    states: float | None = 10,
    tiles: int = 4,
    seed: int = 0,
    accuracy: float = 0.91,
    lr: float = 0.05,
    device_name: str = "SoftBounds",
    status: str = "complete",
    error: str | None = None,
    track: str = "mnist-10k-lenet5",
    epochs: int = 2,
    final: dict[str, float] | None = None,
    minutes: int = 0,
) -> Record:
    class_path = f"resbench.algorithms.{algorithm.title().replace(' ', '')}"
    settings: dict[str, Any] = {"states": states, "w_max": 0.6, "w_min": -0.6}
    device: dict[str, Any] = {"class_path": f"resbench.crossbar.devices.{device_name}", "init_args": settings}
    config: dict[str, Any] = {
        "seed_everything": seed,
        "experiment": {"name": "run", "root": "runs", "track": track},
        "trainer": {"max_epochs": epochs, "accelerator": "cpu", "callbacks": None, "logger": False},
        "model": {
            "class_path": "resbench.tasks.Classification",
            "init_args": {
                "network": {"class_path": "resbench.networks.LeNet5"},
                "algorithm": {"class_path": class_path, "init_args": {"tiles": tiles}},
                "device": None if states is None else device,
                "layers": ["*"],
            },
        },
        "data": {"class_path": "resbench.data.MNISTData", "init_args": {"root": "data", "batch_size": 8}},
        "optimizer": {"class_path": "resbench.nn.AnalogOptimizer", "init_args": {"lr": lr}},
    }
    pulses = [
        TileEntry(name=f"tile{k}", pulses_up=9000 >> k, pulses_down=8000 >> k, transfers=640 >> k, max_writes=90 >> k)
        for k in range(tiles)
    ]
    return Record(
        run_id=config_hash(config)[:16],
        status=status,  # type: ignore[arg-type]
        error=error,
        track=Track(
            name=track,
            task="Classification",
            network="LeNet5()",
            dataset="MNIST",
            analog_layers=["*"],
            budget=Budget(epochs=epochs),
            train_size=10_000,
            batch_size=8,
        ),
        algorithm=AlgorithmEntry(name=algorithm, class_path=class_path, settings={"tiles": tiles}),
        device=None
        if states is None
        else DeviceEntry(name=device_name, class_path=device["class_path"], settings=settings),
        states=states,
        bits=None if states is None else math.log2(states),
        tiles=tiles,
        seed=seed,
        config=config,
        config_hash=config_hash(config),
        epochs=[
            EpochMetrics(epoch=epoch, step=1250 * (epoch + 1), values={"train/loss": 0.4 / (epoch + 1), "val/acc": 0.9})
            for epoch in range(epochs)
        ],
        final={"test/acc": accuracy, "test/loss": 0.31, "train/loss": 0.2} if final is None else final,
        layers=[
            LayerEntry(name=name, out_features=outputs, in_features=inputs, reuse=reuse, tiles=pulses)
            for name, outputs, inputs, reuse in LENET
            if tiles
        ],
        data={"name": "MNIST", "train": {"samples": 10_000, "sha256": "4f" * 32}},
        steps=1250 * epochs,
        wall_time_s=61.5,
        steps_per_s=1250 * epochs / 61.5,
        versions={"python": "3.11.7", "torch": "2.15.0", "lightning": "2.6.6", "numpy": "2.4.6", "resbench": "0.1.0"},
        git=GitState(commit="032c4200" * 5, dirty=False),
        hardware=Hardware(cpu="x86_64", threads=1, device="cpu", instructions="AVX2"),
        started=STARTED + timedelta(minutes=minutes),
        finished=STARTED + timedelta(minutes=minutes + 2),
    )


def old_record() -> Record:
    """A record of a version whose optimiser and one of whose arguments had names that this one does not know."""
    config: dict[str, Any] = copy.deepcopy(make_record().config)
    config["model"]["init_args"]["algorithm"]["init_args"]["former"] = 1
    config["optimizer"] = {"class_path": "resbench.nn.AnalogSGD", "init_args": {"lr": 0.05}}
    return make_record().model_copy(update={"config": config, "config_hash": config_hash(config)})


#: What is said of it.
OLD = (
    "model.init_args.algorithm.init_args.former, resbench.nn.AnalogSGD, which this version of resbench does not have; "
    "made by resbench 0.1.0, commit 032c4200032c: install that version"
)
