"""Updates by Triton's kernels, of random shapes, devices and trains. Each must give the pulses of the reference."""

from __future__ import annotations

import argparse
import os
import random
import time

import torch

from resbench.crossbar import kernels
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import MapRows, PatchRows, Rows, ScaledRows
from resbench.crossbar.unit_cells import make_tile
from tests.crossbar.zoo import ZOO, model_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this fuzzer."""
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0, help="stop then")


def run(args: argparse.Namespace) -> int:
    """Compare, and print counts of cases and pulses, the largest difference of a weight, and faults."""
    if not torch.cuda.is_available():
        os.environ["TRITON_INTERPRET"] = "1"
    choose, end = random.Random(args.seed), time.monotonic() + 60 * args.minutes
    faults, cases, pulses, largest = 0, 0, 0, 0.0
    while cases < args.count and time.monotonic() < end:
        seed = choose.randrange(2**32)
        counted, difference, name = compare(seed)
        cases, pulses, largest = cases + 1, pulses + abs(counted), max(largest, difference)
        if counted < 0 or difference > 2e-6:
            faults += 1
            print(f"seed {seed}, {name}: {'other pulses' if counted < 0 else f'a weight differs by {difference:g}'}")
    kernels.use("auto")
    print(f"{cases} cases, {pulses} pulses, {faults} faults; weights differ by {largest:.1e} at most")
    return int(faults > 0)


def compare(seed: int) -> tuple[int, float, str]:
    """Pulses of one case, below 0 if the kernels give others; the largest difference of a weight; the device."""
    choose, hardware = random.Random(seed), "cuda" if torch.cuda.is_available() else "cpu"
    device = choose.choice([device for device in ZOO if not device.is_continuous])
    x, d = sides(choose)
    if choose.random() < 0.5:
        x, d = turned(choose, x, factors=True), turned(choose, d, factors=False)
    train = PulseTrain(
        desired_bl=choose.randint(1, 5),
        update_bl_management=choose.random() < 0.6,
        update_management=choose.random() < 0.6,
        um_grad_scale=choose.choice([1.0, 0.5, 2.0]),
    )
    step = device.granularity
    lr = choose.choice([1, 1, 1, -1]) * step * 10 ** choose.uniform(-1, 0.8)
    tiles = []
    backends: tuple[kernels.Backend, ...] = ("reference", "cuda")
    for backend in backends:
        kernels.use(backend)
        tile = make_tile(device, (d.shape[1], x.shape[1]), Stream.from_seed(seed))
        tile.program(torch.zeros(tile.shape))
        there = "cpu" if backend == "reference" else hardware
        tile = tile.to(there)
        for _ in range(2):
            tile.update(moved(x, there), moved(d, there), lr, train)
        tiles.append(tile.cpu())
    truth, tile = tiles
    counted = int((truth.pulses_up + truth.pulses_down).sum())
    same = torch.equal(tile.pulses_up, truth.pulses_up) and torch.equal(tile.pulses_down, truth.pulses_down)
    difference = float((tile.weight - truth.weight).abs().max())
    return counted if same and tile.slots == truth.slots else -max(counted, 1), difference, model_name(device)


def turned(choose: random.Random, rows: Rows, factors: bool) -> Rows:
    """Rows whose lines have signs, and which have factors."""
    draw = torch.Generator().manual_seed(choose.randrange(2**32))
    signs = torch.randint(0, 2, (rows.shape[1],), generator=draw) * 2.0 - 1.0
    return ScaledRows(rows, 3 * torch.rand(rows.shape[0], generator=draw) if factors else None, signs)


def moved(rows: Rows, there: str) -> Rows:
    """Rows on another device."""
    if isinstance(rows, ScaledRows):
        sides = (None if each is None else each.to(there) for each in (rows.factors, rows.signs))
        return ScaledRows(moved(rows.rows, there), *sides)
    return rows.of(rows.source.to(there))


def sides(choose: random.Random) -> tuple[Rows, Rows]:
    """Inputs and errors of a linear layer or a convolution, half of the errors 0."""
    draw = torch.Generator().manual_seed(choose.randrange(2**32))
    out = choose.randint(1, 6)
    if choose.random() < 0.5:
        n = choose.randint(1, 4)
        x, d = Rows(torch.randn(n, choose.randint(1, 9), generator=draw)), torch.randn(n, out, generator=draw)
        return x, Rows(d * (torch.rand(d.shape, generator=draw) < 0.5))
    kernel, stride, dilation = ((choose.randint(1, 2), choose.randint(1, 2)) for _ in range(3))
    image = torch.randn(choose.randint(1, 2), choose.randint(1, 2), 3, choose.randint(3, 4), generator=draw)
    patches = PatchRows(image, kernel, stride, dilation)
    width = patches.geometry[-1]
    errors = torch.randn(len(image), out, patches.shape[0] // len(image) // width, width, generator=draw)
    return patches, MapRows(errors * (torch.rand(errors.shape, generator=draw) < 0.5))
