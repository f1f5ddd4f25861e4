"""The peer's side of the comparison: aihwkit trains the same network on the same images, in its own environment.

Reads one request a line from standard input and answers each with one line of JSON. The first names the images and the
states of the devices; the following ones a case, a batch size, and how many iterations to run, or one large array whose
update is measured.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from aihwkit.nn.conversion import convert_to_analog
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.configs import (
    BufferedTransferCompound,
    ChoppedTransferCompound,
    DigitalRankUpdateRPUConfig,
    DynamicTransferCompound,
    IOParameters,
    MixedPrecisionCompound,
    SingleRPUConfig,
    SoftBoundsDevice,
    TransferCompound,
    UnitCellRPUConfig,
    UpdateParameters,
)
from aihwkit.simulator.tiles import AnalogTile

from benchmarks.large import STEP, Large, timed
from benchmarks.loop import LR, Case, Loop, Timing

PERFECT = IOParameters(is_perfect=True)
NOISY = IOParameters(inp_res=1 / (2**7 - 2), out_res=1 / (2**9 - 2), out_noise=0.06)
ONE_PULSE = UpdateParameters(desired_bl=1, update_management=False, update_bl_management=False)
TILES = 6


def configs(states: float, io: IOParameters = PERFECT, per_vector: bool = False) -> dict[str, Any]:
    """RPU configs by case; hyper-parameters are the defaults of resbench, where they differ from aihwkit's."""
    device = SoftBoundsDevice(dw_min=2.0 / states, w_max=1.0, w_min=-1.0)
    pair = [copy.deepcopy(device), copy.deepcopy(device)]
    perfect = {"transfer_forward": PERFECT, "units_in_mbatch": not per_vector, "transfer_update": UpdateParameters()}
    chopped = perfect | {"fast_lr": 0.1, "auto_scale": True, "in_chop_prob": 0.1, "transfer_update": ONE_PULSE}
    compounds = {
        "TikiTaka": TransferCompound(unit_cell_devices=pair, fast_lr=0.01, transfer_lr=0.1, **perfect),
        "TikiTakaV2": BufferedTransferCompound(
            unit_cell_devices=pair, fast_lr=0.1, **(perfect | {"transfer_update": ONE_PULSE})
        ),
        "ChoppedTikiTaka": ChoppedTransferCompound(unit_cell_devices=pair, **chopped),
        "AGAD": DynamicTransferCompound(unit_cell_devices=pair, **chopped),
        "ResidualLearning": TransferCompound(
            unit_cell_devices=[copy.deepcopy(device) for _ in range(TILES)],
            gamma_vec=[0.5 ** (TILES - 1 - k) for k in range(TILES)],
            transfer_every_vec=[2.0 * 5.0**k for k in range(TILES)],
            transfer_lr_vec=[0.1 * 1.2 ** (TILES - 1 - k) for k in range(TILES)],
            scale_transfer_lr=False,
            fast_lr=LR,
            **perfect,
        ),
    }
    desired_bl = {"TikiTakaV2": 10, "ChoppedTikiTaka": 5, "AGAD": 5}
    return {
        "AnalogSGD": SingleRPUConfig(device=device, forward=io, backward=io),
        "MixedPrecision": DigitalRankUpdateRPUConfig(
            device=MixedPrecisionCompound(device=device), forward=io, backward=io
        ),
        **{
            name: UnitCellRPUConfig(
                device=compound,
                forward=io,
                backward=io,
                update=UpdateParameters(desired_bl=desired_bl.get(name, 31)),
            )
            for name, compound in compounds.items()
        },
    }


def make_loop(name: str, batch: int, setup: dict[str, Any]) -> Loop:
    """The network of a case in training; ``DigitalSGD`` is the plain network with the torch of this environment."""
    case = Case.of(name)
    network: Any = case.network()
    if case.algorithm == "DigitalSGD":
        optimizer: Any = torch.optim.SGD(network.parameters(), lr=LR)
    else:
        io = NOISY if case.is_noisy else PERFECT
        config = configs(setup["states"], io, case.is_per_vector)[case.algorithm]
        network = convert_to_analog(network, config)
        optimizer = AnalogSGD(network.parameters(), lr=LR)
        optimizer.regroup_param_groups(network)
    data = torch.load(setup["images"])
    return Loop(network, optimizer, case.inputs(data["images"]), data["targets"], batch)


def make_update(large: Large) -> Callable[[], Timing]:
    """The update of one array."""
    device = SoftBoundsDevice(dw_min=STEP, w_max=1.0, w_min=-1.0)
    tile: Any = AnalogTile(large.rows, large.columns, SingleRPUConfig(device=device))
    tile.set_learning_rate(large.rate())
    x, d = large.sides()
    return lambda: timed(lambda: tile.update(x, d))


def main() -> None:
    """Answer requests until the input ends."""
    setup = json.loads(sys.stdin.readline())
    torch.set_num_threads(setup["threads"])
    known = {"DigitalSGD", *configs(setup["states"])}
    cases = [name for name in setup.get("cases", ()) if Case.of(name).algorithm in known]
    print(json.dumps({"torch": torch.__version__, "cases": cases}), flush=True)
    loops: dict[tuple[str, int], Loop] = {}
    updates: dict[Large, Callable[[], Timing]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "update" in request:
            large = Large(**request["update"])
            if large not in updates:
                updates[large] = make_update(large)
            timing = updates[large]()
        else:
            key = request["case"], request["batch"]
            if key not in loops:
                loops[key] = make_loop(*key, setup)
            timing = loops[key].run(request["iterations"])
        print(json.dumps(asdict(timing)), flush=True)


if __name__ == "__main__":
    main()
