"""Compile the Triton kernels for a GPU that need not be there, and print what came out, as test_cuda.py does.

``TRITON_INTERPRET=0 python -m tests.crossbar.kernels.gpu_code 90`` prints registers and stack of each kernel for
compute capability 9.0; one more number is for the columns of a program. Triton compiles where it is told what the GPU
is; only the launch is left out.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from typing import Any

import torch
import triton
from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.runtime.jit import JITFunction

from resbench.crossbar import devices
from resbench.crossbar.changes import Changes
from resbench.crossbar.devices import Device
from resbench.crossbar.kernels import cuda, cuda_scan
from resbench.crossbar.kernels.sifted import Average, Chop, Correction, Reference, SiftedWrite
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import MapRows, PatchRows, Rows, ScaledRows
from resbench.crossbar.tile import Tile
from resbench.crossbar.unit_cells import make_tile

DEVICES: list[Device] = [
    devices.LinearStep(states=10, write_noise_std=0.5),
    devices.SoftBoundsReference(states=10, reference_std=0.1),
    devices.ExpStep(states=10, dw_min_std_add=0.1),
    devices.PowStep(states=10),
    devices.PiecewiseStep(states=10, piecewise_up=(1.0, 0.5, 0.2), piecewise_down=(0.3, 1.0, 0.4)),
    devices.OneSidedCell(device=devices.SoftBounds(states=10)),
]
compiled: dict[str, dict[str, bytes]] = {}
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
    compiled.setdefault(kernel.__name__, {})[code.asm["ptx"]] = code.asm["cubin"]


def tile_of(device: Device, shape: tuple[int, int], seed: int = 0) -> Tile:
    tile = make_tile(device, shape, Stream.from_seed(seed))
    tile.updates = 8 * seed
    return tile


def resources(program: bytes) -> dict[str, int]:
    """Registers of a thread, and bytes of its stack, where spilled registers go."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(program)
        file.flush()
        command = [knobs.nvidia.cuobjdump.path, "-res-usage", file.name]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = dict(re.findall(r"(REG|STACK):(\d+)", said))
    return {"registers": int(found["REG"]), "stack": int(found["STACK"])}


if len(sys.argv) > 2:
    cuda_scan.COLUMNS = int(sys.argv[2])
triton.runtime.driver.set_active(AbsentGPU())
JITFunction.run = compile_only
for seed, (n, out, columns) in enumerate([(6, 5, 7), (16, 32, 64), (1, 1, 1), (7, 16, 1)]):
    x, d = Rows(torch.ones(n, columns)), Rows(torch.ones(n, out))
    cuda.update(tile_of(DEVICES[0], (out, columns), seed), x, d, 0.1, PulseTrain(), 1)

patches = PatchRows(torch.ones(2, 3, 8, 9), (3, 2), (2, 1), (1, 1))
errors = MapRows(torch.ones(2, 5, 3, 8))
unmanaged = PulseTrain(update_bl_management=False, update_management=False)
cuda.update(tile_of(DEVICES[0], (5, 18)), patches, errors, 0.1, unmanaged, 1)
for device in DEVICES[1:]:
    cuda.update(tile_of(device, (5, 7)), Rows(torch.ones(6, 7)), Rows(torch.ones(6, 5)), 0.1, PulseTrain(), 1)

means = torch.zeros(3, dtype=torch.float64)
reference = Reference(torch.zeros(7, 5), torch.zeros(7, 5), torch.zeros(7, dtype=torch.bool), 0.1, 0.0)
correction, signs = Correction(means[2:], 1.0, 0.1, 0.1), (torch.ones(7), torch.ones(5))
for forget in (False, True):
    for chop in (None, Chop(*signs, True, 0.5, 3, 1, False, True, reference, correction)):
        rule, tile = (1.0, 0.1, forget, 31.0), tile_of(DEVICES[0], (5, 7))
        lines = torch.arange(3 if chop is None else 1)
        write = SiftedWrite(lines, torch.zeros(7, 5), rule, None, 0.0, 0.1, PulseTrain(), "column", False, chop)
        cuda.write_sifted(tile, write)
for differs in (False, True):
    write = write._replace(chop=None, source=tile_of(DEVICES[0], (5, 7)), average=Average(0.1, differs))
    cuda.write_sifted(tile_of(DEVICES[0], (5, 7)), write)
for columns, x, d in ((18, patches, errors), (7, Rows(torch.ones(6, 7)), Rows(torch.ones(6, 5)))):
    tile = tile_of(DEVICES[0], (5, columns))
    factors = cuda.follow_rates(tile, x, d, means, 0.1, 1.0)
    signs = torch.ones(columns), torch.ones(5)
    turned = ScaledRows(x, factors, signs[0], means[2:]), ScaledRows(d, None, signs[1])
    cuda.update(tile, *turned, 0.1, PulseTrain(), 1)

tiles = [tile_of(DEVICES[0], (5, 7), seed) for seed in range(3)]
cuda.compose(torch.zeros(5, 7), tiles, (0.25, 0.5, 1.0), Changes())
cuda.add_up(torch.zeros(5, 7), [(tile.memory, 0.5) for tile in tiles[:2]], (torch.ones(5), torch.ones(7)))

code = "".join(map("".join, compiled.values()))
deciding = "".join("".join(compiled[name]) for name in ("scales", "follow", "sift"))
print(
    json.dumps(
        {
            "kernels": {name: list(map(resources, codes.values())) for name, codes in compiled.items()},
            "rounded quotients": len(re.findall(r"\bdiv\.rn\.f(32|64)", deciding)),
            "approximate quotients": len(re.findall(r"\bdiv\.(full|approx)", deciding)),
            "flushing comparisons": len(re.findall(r"\bsetp?\.[\w.]*\bftz\b", code)),
            "fused products": len(re.findall(r"\bfma\.r\w(\.ftz)?\.f(32|64)", code)),
        },
        indent=1,
    )
)
