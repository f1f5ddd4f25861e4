"""Compile the Triton kernels for a GPU that need not be there, and print what came out; run by test_cuda.py.

Triton compiles where it is told what the GPU is; only the launch is left out.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime.jit import JITFunction

from resbench.crossbar import devices
from resbench.crossbar.changes import Changes
from resbench.crossbar.devices import PulsedDevice
from resbench.crossbar.kernels import cuda
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import MapRows, PatchRows, Rows
from resbench.crossbar.tile import Tile
from resbench.crossbar.unit_cells import make_tile

DEVICES: list[PulsedDevice] = [
    devices.LinearStep(states=10, write_noise_std=0.5),
    devices.SoftBoundsReference(states=10, reference_std=0.1),
    devices.ExpStep(states=10, dw_min_std_add=0.1),
    devices.PowStep(states=10),
    devices.PiecewiseStep(states=10, piecewise_up=(1.0, 0.5, 0.2), piecewise_down=(0.3, 1.0, 0.4)),
]
compiled: dict[str, set[str]] = {}
run = JITFunction.run


class AbsentGPU:
    """What Triton asks its driver while it compiles."""

    def get_current_target(self) -> Any:
        return GPUTarget("cuda", int(sys.argv[1]), 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0


def compile_only(kernel: Any, *arguments: Any, grid: Any, warmup: bool, **options: Any) -> None:
    code = run(kernel, *arguments, grid=grid, warmup=True, **options)
    compiled.setdefault(kernel.__name__, set()).add(code.asm["ptx"])


def tile_of(device: PulsedDevice, shape: tuple[int, int], seed: int = 0) -> Tile:
    tile = make_tile(device, shape, Stream.from_seed(seed))
    tile.updates = 8 * seed
    return tile


triton.runtime.driver.set_active(AbsentGPU())
JITFunction.run = compile_only
for seed, (n, out, columns) in enumerate([(6, 5, 7), (16, 32, 64), (1, 1, 1), (7, 16, 1)]):
    x, d = Rows(torch.ones(n, columns)), Rows(torch.ones(n, out))
    cuda.update(tile_of(DEVICES[0], (out, columns), seed), x, d, 0.1, PulseTrain(), 1)
variants = len(compiled["find"])

patches = PatchRows(torch.ones(2, 3, 8, 9), (3, 2), (2, 1), (1, 1))
errors = MapRows(torch.ones(2, 5, 3, 8))
unmanaged = PulseTrain(update_bl_management=False, update_management=False)
cuda.update(tile_of(DEVICES[0], (5, 18)), patches, errors, 0.1, unmanaged, 1)

for device in DEVICES:
    cuda.apply(tile_of(device, (5, 7)), torch.arange(50), cuda.Layout(3, 5, 3))

tiles = [tile_of(DEVICES[0], (5, 7), seed) for seed in range(3)]
changes = Changes().follow(tiles)
for touched in (None, [torch.arange(3)] * 3):
    changes.crosspoints = None if touched is None else [*touched]
    cuda.compose(torch.zeros(5, 7), tiles, (0.25, 0.5, 1.0), changes)

found = "".join(compiled["find"])
print(
    json.dumps(
        {
            "kernels": {name: len(codes) for name, codes in compiled.items()},
            "variants for shapes": variants,
            "rounded quotients": found.count("div.rn.f32"),
            "approximate quotients": found.count("div.full.f32") + found.count("div.approx"),
            "fused products": "".join(map("".join, compiled.values())).count("fma.rn.f32"),
        }
    )
)
