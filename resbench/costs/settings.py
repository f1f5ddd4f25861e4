"""From what a config or a record says of an algorithm to what it asks of the hardware."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from operator import mul
from typing import Any

from resbench.costs.algorithms import (
    Algorithm,
    InMemory,
    agad,
    analog_sgd,
    c_tt_v2,
    mixed_precision,
    residual,
    tt_v1,
    tt_v2,
)
from resbench.errors import BadValue

_PUBLISHED: dict[str, Algorithm] = {
    "AnalogSGD": analog_sgd(),
    "TikiTaka": tt_v1(),
    "TikiTakaV2": tt_v2(),
    "ChoppedTikiTaka": c_tt_v2(),
    "AGAD": agad(),
    "MixedPrecision": mixed_precision(),
    "ResidualLearning": residual(4),
}
#: Defaults of resbench.algorithms that decide the cost.
DEFAULTS: dict[str, dict[str, Any]] = {
    "TikiTaka": {"tiles": 2, "gamma": 0.0},
    "TikiTakaV2": {"tiles": 2, "gamma": 0.0},
    "ResidualLearning": {
        "tiles": 4,
        "transfer_every": 2.0,
        "transfer_every_growth": 5.0,
        "count": "global",
        "schedule": "chain",
    },
}
#: Defaults of every algorithm that transfers.
TRANSFER_DEFAULTS: dict[str, Any] = {"transfer_every": 1.0, "units_in_mbatch": True, "n_reads_per_transfer": 1}


def published(class_path: str, settings: Mapping[str, Any]) -> Algorithm:
    """The published formulas of an algorithm of resbench, with its number of tiles and geometric periods.

    Args:
        class_path: Its class; the last part of the path decides.
        settings: Its arguments.

    Raises:
        BadValue: for a class that has no cost model, or an impossible number of tiles.
    """
    name = class_path.rpartition(".")[2]
    if name not in _PUBLISHED:
        raise BadValue("algorithm", name, f"has no cost model; write one of {', '.join(_PUBLISHED)}")
    algorithm, given = _PUBLISHED[name], DEFAULTS.get(name, {}) | dict(settings)
    if not isinstance(algorithm, InMemory) or "tiles" not in given:
        return algorithm
    algorithm = algorithm.with_tiles(given["tiles"])
    if algorithm.tiles > 2 and algorithm.digital_matrices:
        algorithm = replace(
            algorithm, digital_matrices=int(algorithm.tiles) - 1, derived="a buffer for each hop of more than two tiles"
        )
    if name != "ResidualLearning" and given["gamma"]:
        algorithm = replace(algorithm, composite=True, derived=algorithm.derived or "all tiles in the forward pass")
    return algorithm


def configured(class_path: str, settings: Mapping[str, Any]) -> tuple[Algorithm | None, str]:
    """The same with the transfer periods of the settings in place of geometric ones, and a line that says which.

    None where the algorithm transfers nothing, or where no constant period describes it; the line then says why.
    """
    algorithm = published(class_path, settings)
    name = class_path.rpartition(".")[2]
    if not isinstance(algorithm, InMemory) or algorithm.tiles == 1:
        return None, ""
    given = TRANSFER_DEFAULTS | DEFAULTS.get(name, {}) | dict(settings)
    reads, every, hops = given["n_reads_per_transfer"], given["transfer_every"], int(algorithm.tiles) - 1
    if reads is None:
        return None, "n_reads_per_transfer: null moves whole matrices, the formulas one column at a time: not costed"
    if isinstance(every, Sequence):
        periods = [float(period) for period in every[:hops]]
    elif name == "ResidualLearning":
        periods = [every * given["transfer_every_growth"] ** hop for hop in range(hops)]
    elif hops > 1:
        return None, "transfer_every: slower tiles wait for full sweeps, a period for each shape: not costed"
    else:
        periods = [float(every)]
    if min(periods) < 0:
        return None, "transfer_every: a negative period follows the number of states: not costed"
    if given.get("count") == "local":
        periods = list(accumulate(periods, mul))
    unit = "mini-batches" if given["units_in_mbatch"] else "vectors"
    line = f"periods of the config: {', '.join(f'{period:g}' for period in periods)} {unit}"
    line += f", {reads} columns in a transfer" if reads > 1 else ""
    line += ", costed as a chain without its warm start" if given.get("schedule", "chain") != "chain" else ""
    return replace(
        algorithm,
        periods=tuple(period / reads if period else math.inf for period in periods),
        periods_in_batches=given["units_in_mbatch"],
    ), line
