"""Replay vectors of the periphery, the mapping, the layers and their optimiser.

Vectors of kind ``exact`` and ``statistical`` describe aihwkit 1.1.0, so layers use its gradient mask. In vectors of
kind ``defect``, the ``required_*`` fields are the expected values. Unless a vector names a device, bounds are far away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from resbench.algorithms import TikiTaka
from resbench.crossbar.devices import ConstantStep
from resbench.crossbar.periphery import PERFECT, IOParameters, Periphery
from resbench.crossbar.randomness import Stream
from tests.conformance import layers
from tests.conformance.reading import (
    EXACT_PULSES,
    SAMPLES,
    Vector,
    device_of,
    differs,
    differs_in_distribution,
    io_parameters,
)
from tests.conformance.result import Result, result_of


def replay(document: dict[str, Any]) -> list[Result]:
    """The results of all vectors of a document."""
    return [result_of(vector, lambda vector: HANDLERS[vector["op"]](vector)) for vector in document["vectors"]]


def product(vector: Vector) -> list[str]:
    """``forward_mvm`` and ``backward_mvm``."""
    weight, rows = torch.tensor(vector["weight"]), torch.tensor(vector["input"])
    statistical = vector["kind"] == "statistical"
    if statistical:
        rows = rows.expand(SAMPLES, -1)
    io, shape, stream = io_parameters(vector["io"]), (weight.shape[0], weight.shape[1]), Stream.from_seed(1)
    if vector["op"] == "forward_mvm":
        y = Periphery(shape, io, PERFECT, stream)(weight, rows)
    else:
        y = Periphery(shape, PERFECT, io, stream).backward(weight, rows)
    return differs_in_distribution(vector, y) if statistical else differs(vector, "output", y, vector["expected"])


def instance_parameter(vector: Vector) -> list[str]:
    """Constants of the periphery that are drawn once for each output."""
    io = io_parameters(vector["io"])
    drawn = Periphery((SAMPLES, 1), io, PERFECT, Stream.from_seed(1)).forward_product
    constants = [c for c in (drawn.out_sigma, drawn.v_offset, drawn.saturation, drawn.read_asymmetry) if c is not None]
    return differs_in_distribution(vector, constants[0].flatten())


def running_mean(vector: Vector) -> list[str]:
    """``noise_management_state``: alpha of AVERAGE_ABS_MAX after each call of a sequence."""
    io = IOParameters(noise_management="average_abs_max")
    periphery = Periphery((1, 1), io, io, Stream.from_seed(1))
    seen = []
    for call in vector["sequence"]:
        peak = float(call.rpartition("=")[2])
        periphery.train("eval" not in call)
        apply = periphery.backward if call.startswith("backward") else periphery.forward
        apply(torch.ones(1, 1), torch.full((1, 1), peak))
        seen.append(periphery.running.item())
    return differs(vector, "running mean", seen, vector["expected"])


def transfer_read(vector: Vector) -> list[str]:
    """Transfers of a fast tile that stands still to a slow one, one column at each vector; outputs are the samples."""
    columns = 4
    algorithm = TikiTaka(
        transfer_lr=vector["transfer_lr"],
        scale_transfer_lr=False,
        transfer_io=io_parameters(vector["io"]),
        pulses=EXACT_PULSES,
        transfer_pulses=EXACT_PULSES,
    ).build((SAMPLES, columns), device_of(vector), Stream.from_seed(1))
    fast, slow = (tile for _, _, tile in algorithm.named_tiles())
    fast.program(torch.full((SAMPLES, columns), vector["fast_weight"]))
    for _ in range(columns):
        algorithm.step([(torch.zeros(1, columns), torch.zeros(1, SAMPLES))], 0.1)
    return [complaint for c in range(columns) for complaint in differs_in_distribution(vector, slow.weight[:, c])]


def fast_rate(vector: Vector) -> list[str]:
    """``compound_gradient_step``: mean change of the fast tile for one sample; a fast rate of 0 is the optimiser's."""
    x, d = torch.tensor(vector["x"]), torch.tensor(vector["d"])
    device = ConstantStep(dw_min=vector["dw_min"], w_max=100.0, w_min=-100.0).without_spread()
    at_once, complaints = 100, []
    for case in vector["cases"]:
        chain = TikiTaka(fast_lr=case["fast_lr"] or None, transfer_every=0.0)
        built = chain.build((d.shape[1], x.shape[1]), device, Stream.from_seed(1))
        total = torch.zeros(d.shape[1], x.shape[1])
        for _ in range(vector["n"] // at_once):
            built.tiles[0].program(torch.zeros_like(total))
            built.step([(x.expand(at_once, -1), d.expand(at_once, -1))], case["optimizer_lr"])
            total += built.tiles[0].weight
        mean = total.flatten() / vector["n"]
        for source in ("aihwkit_mean_step", "formula_mean_step"):
            wanted = torch.tensor(case[source])
            if not torch.allclose(mean, wanted, rtol=vector["tol_rel"], atol=0.0):
                complaints.append(f"{case}: mean step {mean.tolist()} is not {wanted.tolist()}")
    return complaints


HANDLERS: dict[str, Callable[[Vector], list[str]]] = {
    "forward_mvm": product,
    "backward_mvm": product,
    "instance_parameter": instance_parameter,
    "noise_management_state": running_mean,
    "transfer_read": transfer_read,
    "compound_gradient_step": fast_rate,
    **layers.HANDLERS,
}
