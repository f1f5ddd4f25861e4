"""Bytes of a crosspoint by algorithm and by device, and the memory of whole trainings.

``python -m benchmarks.memory [--config FILE --steps N] [--json FILE]``

Bytes are those of the tensors of a layer, counted once each; the peak is that of a process that trains it. With a
config, its network trains a few steps on random images in a process of its own. See ``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks import report
from benchmarks.cases import CASES, DEVICE
from benchmarks.worker import REPOSITORY
from resbench.algorithms import Algorithm
from resbench.crossbar import devices
from resbench.crossbar.devices import Device
from resbench.crossbar.randomness import Stream

DEVICES: dict[str, Device] = {
    "Ideal": devices.Ideal(),
    "ConstantStep": devices.ConstantStep(states=10),
    "SoftBounds": DEVICE,
    "SoftBounds, no spread": DEVICE.without_spread(),
    "SoftBounds, half_constants": dataclasses.replace(DEVICE, half_constants=True),
    "SoftBounds, write noise": devices.SoftBounds(states=10, write_noise_std=0.1),
    "SoftBounds, decay": devices.SoftBounds(states=10, lifetime=100.0),
    "ExpStep": devices.ExpStep(states=10),
    "PowStep": devices.PowStep(states=10),
    "SoftBoundsReference": devices.SoftBoundsReference(states=10),
    "OneSidedCell": devices.OneSidedCell(device=DEVICE),
}
PARTS = ("tiles", "weight", "constants", "counters", "other", "digital", "composite", "total")
GIB = 2.0**30


def bytes_by_part(algorithm: Algorithm) -> dict[str, float]:
    """Bytes for each crosspoint of a built algorithm; ``weight`` and the next three are those of its tiles."""
    crosspoints = algorithm.shape[0] * algorithm.shape[1]
    count = dict.fromkeys(PARTS, 0.0) | {"tiles": float(len(algorithm.tiles))}
    owned = [
        (owner, name, buffer) for owner in algorithm.modules() for name, buffer in owner.named_buffers(recurse=False)
    ]
    for owner, name, buffer in owned:
        if owner is algorithm:
            part = "composite" if name == "composite" else "digital"
        elif name in ("weight", "_stored"):
            part = "weight"
        elif name.startswith("pulses_"):
            part = "counters"
        else:
            part = "constants" if name in getattr(owner, "constant_names", ()) else "other"
        size = buffer.numel() * buffer.element_size() / crosspoints
        count[part] += size
        count["total"] += size
    return count


def build(case: str, device: Device, shape: tuple[int, int]) -> Algorithm:
    """The tiles of one layer."""
    return CASES[case]().build(shape, device, Stream.from_seed(0))


def train(case: str, size: int) -> dict[str, float]:
    """Peak memory of this process, beyond what it had, for training ``size x size`` crosspoints; bytes for each."""
    torch.set_num_threads(1)
    warm = build(case, DEVICE, (8, 8))
    warm.step([(torch.ones(2, 8), torch.ones(2, 8))], 0.1)
    before = peak()
    algorithm = build(case, DEVICE, (size, size))
    x, d = torch.rand(2, 8, size).sub(0.5)
    for _ in range(3):
        algorithm.step([(x, d)], 0.1)
    return {"peak": (peak() - before) / size**2, **bytes_by_part(algorithm)}


def train_config(config: Path, steps: int) -> dict[str, float]:
    """Train the network of a config on random images of the size of CIFAR, its batch size; GiB and seconds."""
    from resbench.nn import AnalogOptimizer, analog_layers
    from resbench.training.cli import RunCLI
    from resbench.training.process import use_huge_pages

    began = time.perf_counter()
    cli = RunCLI([f"--config={config}"], "benchmarks.memory")
    use_huge_pages(cli.model.buffers())
    built, seconds, start = peak(), time.perf_counter() - began, time.perf_counter()
    model, batch = cli.model, cli.datamodule.batch_size
    layers = [layer.algorithm for _, layer in analog_layers(model.network)]
    optimizer = AnalogOptimizer(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        means, _ = model.measure((torch.rand(batch, 3, 32, 32), torch.randint(10, (batch,))))
        means[0].backward()
        optimizer.step()
    return {
        "crosspoints": sum(layer.shape[0] * layer.shape[1] for layer in layers),
        "analog layers": len(layers),
        "tiles": len(layers[0].tiles),
        "tensors of the layers, GiB": sum(b.numel() * b.element_size() for a in layers for b in a.buffers()) / GIB,
        "peak when built, GiB": built / GIB,
        "peak in training, GiB": peak() / GIB,
        "batch": batch,
        "seconds to build": seconds,
        "seconds a step": (time.perf_counter() - start) / steps,
    }


def peak() -> float:
    """Largest resident memory of this process so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)


def elsewhere(arguments: Sequence[str]) -> dict[str, float]:
    """What this module measures in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory", *arguments]
    path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
    output = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    measured: dict[str, float] = json.loads(output.stdout.splitlines()[-1])
    return measured


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=2048, help="rows and columns of the layer")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=[case for case in CASES if case != "DigitalSGD"])
    parser.add_argument("--config", type=Path, help="train the network of this config too")
    parser.add_argument("--steps", type=int, default=2, help="steps of that training")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--train", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.train is not None:
        measured = train(args.train, args.size) if args.train in CASES else train_config(Path(args.train), args.steps)
        print(json.dumps(measured))
        return 0

    by_case = {case: elsewhere(["--train", case, "--size", str(args.size)]) for case in args.cases}
    by_device = {name: bytes_by_part(build("AnalogSGD", device, (64, 64))) for name, device in DEVICES.items()}
    rows: list[tuple[str, ...]] = [("algorithm, SoftBounds", *PARTS, "peak")]
    rows += [(case, *(f"{sizes[part]:.4g}" for part in (*PARTS, "peak"))) for case, sizes in by_case.items()]
    print(f"bytes for each crosspoint, {args.size} x {args.size}\n\n{report.table(rows)}\n")
    rows = [("device, AnalogSGD", *PARTS)]
    rows += [(name, *(f"{sizes[part]:.4g}" for part in PARTS)) for name, sizes in by_device.items()]
    print(report.table(rows))
    whole = {}
    if args.config is not None:
        whole = elsewhere(["--train", str(args.config), "--steps", str(args.steps)])
        print(f"\n{args.config}\n" + report.table([(name, f"{value:.4g}") for name, value in whole.items()]))
    report.write_json(args.json, {"algorithms": by_case, "devices": by_device, "config": whole})
    return 0


if __name__ == "__main__":
    sys.exit(main())
