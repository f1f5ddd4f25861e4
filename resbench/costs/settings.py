"""The cost formula of an algorithm, from its class and the settings of a config or record.

The attribute `cost` of the class, such as `cost = InMemory(tiles=2, ...)`, and the defaults of its arguments are read
from the source code. Nothing is imported.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import accumulate
from operator import mul
from typing import Any

from resbench.costs.algorithms import (
    DigitalGradient,
    Formula,
    InMemory,
    agad,
    analog_sgd,
    c_tt_v2,
    mixed_precision,
    residual,
    tt_v1,
    tt_v2,
)
from resbench.costs.optimizers import optimizer_work
from resbench.errors import BadValue
from resbench.records.text import cut, one_line
from resbench.registry import Description, describe

#: Functions that the attribute `cost` of a class may call.
FORMULAS: dict[str, Callable[..., Formula]] = {
    made.__name__: made
    for made in (InMemory, DigitalGradient, analog_sgd, tt_v1, tt_v2, c_tt_v2, agad, mixed_precision, residual)
}
#: Keys of periods that grow from hop to hop.
PERIODS = ("transfer_every", "transfer_every_growth")
#: Hops whose own periods are costed, and characters that are shown of a value. A record of others may say anything.
MOST_HOPS, LONGEST = 1000, 80
#: The class that leaves a network digital.
DIGITAL = "DigitalSGD"
WRITE_ONE = "write cost = InMemory(tiles=2) in it, of resbench.costs, with what it stores and moves"


def published(class_path: str, settings: Mapping[str, Any]) -> Formula:
    """The formula of the class of an algorithm, with the number of tiles of the settings and geometric periods.

    Args:
        class_path: path of the class.
        settings: arguments of the class.

    Raises:
        BadValue: for a class that is not found or has no formula, for an impossible number of tiles, and for an
            optimiser that is none.
    """
    described = _described(class_path)
    formula, given = _formula(described), {**described.defaults, **settings}
    if not isinstance(formula, InMemory):
        return _with_optimizer(formula, given.get("optimizer"))
    if "tiles" in given:
        formula = formula.with_tiles(_number(given, "tiles", "write a whole number from 1"))
        if formula.tiles > 2 and formula.digital_matrices:
            derived = "a buffer for each hop of more than two tiles"
            formula = replace(formula, digital_matrices=int(formula.tiles) - 1, derived=derived)
    if given.get("gamma") and not formula.composite:
        formula = replace(formula, composite=True, derived=formula.derived or "all tiles in the forward pass")
    return formula


def _with_optimizer(formula: DigitalGradient, setting: Any) -> DigitalGradient:
    """The formula with the digital optimiser of the settings: a class path, or one with arguments."""
    if setting is None:
        return formula
    component = {"class_path": setting} if isinstance(setting, str) else setting
    path = component.get("class_path") if isinstance(component, Mapping) else None
    if not isinstance(path, str):
        raise _wrong("optimizer", setting, "names no class; write class_path: torch.optim.SGD")
    options = component.get("init_args") or {}
    if not isinstance(options, Mapping):
        raise _wrong("optimizer.init_args", options, "is no mapping; write its arguments, such as momentum: 0.9")
    name = cut(one_line(path.rpartition(".")[2]), LONGEST)
    work = optimizer_work(name, options)
    if work is None:
        derived = f"without the storage and operations of {name}, which are not known"
        return replace(formula, name=f"{formula.name}, {name}", derived=derived)
    return replace(
        formula,
        name=f"{formula.name}, {name}",
        optimizer_matrices=work[0],
        optimizer_ops=work[1],
        derived=f"{name}: {work[0]} matrices, {work[1]} operations a weight in a mini-batch, counted from its formula",
    )


def configured(class_path: str, settings: Mapping[str, Any]) -> tuple[Formula | None, str]:
    """The formula with the transfer periods of the settings instead of geometric ones, and a line that names them.

    The formula is None if the algorithm transfers nothing, or if its periods are not constant. The line then says why.

    Raises:
        BadValue: as :func:`published`, and for periods that are none.
    """
    formula = published(class_path, settings)
    given = {**_described(class_path).defaults, **settings}
    if not isinstance(formula, InMemory) or formula.tiles == 1 or "transfer_every" not in given:
        return None, ""
    reads, in_batches = given.get("n_reads_per_transfer", 1), given.get("units_in_mbatch", True)
    every, hops = given["transfer_every"], int(formula.tiles) - 1
    if reads is None:
        return None, "n_reads_per_transfer: null moves whole matrices, the formulas one column at a time: not costed"
    if not isinstance(reads, int) or reads < 1:
        raise _wrong("n_reads_per_transfer", reads, "is no number of columns; write a whole number from 1, or null")
    if not isinstance(in_batches, bool):
        raise _wrong("units_in_mbatch", in_batches, "is neither; write true or false")
    if hops > MOST_HOPS:
        return None, f"tiles: {formula.tiles:g} are too many for a period of each: not costed"
    if isinstance(every, list | tuple):
        if not every or not all(map(_is_number, every)):
            raise _wrong("transfer_every", every, "are no periods; write one number for each hop, such as [2, 5]")
        periods = [float(period) for period in every[:hops]]
    elif "transfer_every_growth" in given:
        first, growth = (_number(given, key, "write one, such as 2") for key in PERIODS)
        periods = [float(first * growth**hop) for hop in range(hops)]
    elif hops > 1:
        return None, "transfer_every: slower tiles wait for full sweeps, a period for each shape: not costed"
    else:
        periods = [float(_number(given, "transfer_every", "write one, such as 2"))]
    if min(periods) < 0:
        return None, "transfer_every: a negative period follows the number of states: not costed"
    if not in_batches:
        periods = [whole(period) for period in periods]
    if given.get("count") == "local":
        periods = list(accumulate([periods[0], *map(whole, periods[1:])], mul))
    unit = "mini-batches" if in_batches else "vectors"
    line = f"periods of the config: {', '.join(f'{period:g}' for period in periods)} {unit}"
    line += f", {reads} columns in a transfer" if reads > 1 else ""
    line += ", costed as a chain without its warm start" if given.get("schedule", "chain") != "chain" else ""
    return replace(
        formula,
        periods=tuple(period or math.inf for period in periods),
        periods_in_batches=in_batches,
        reads=reads,
    ), line


def whole(period: float) -> float:
    """A period in whole vectors: rounded, half up, and at least 1 unless it is 0 for never."""
    return max(1, math.floor(period + 0.5)) if 0 < period < math.inf else period


def _number(given: Mapping[str, Any], key: str, hint: str) -> Any:
    if not _is_number(given[key]):
        raise _wrong(key, given[key], f"is no number; {hint}")
    return given[key]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def _wrong(key: str, value: Any, hint: str) -> BadValue:
    return BadValue(key, cut(one_line(repr(value)), LONGEST), hint)


def _described(class_path: str) -> Description:
    described = describe(class_path)
    if described is None:
        raise BadValue("algorithm", class_path, "is not found; run this in the folder that its module lies in")
    return described


def _formula(described: Description) -> Formula:
    if described.name == DIGITAL:
        raise BadValue("algorithm", described.name, "has no devices, and so no cost on crossbars; name an analog one")
    if described.cost is None:
        raise BadValue("algorithm", described.name, f"has no cost model; {WRITE_ONE}")
    called, arguments = described.cost
    if called not in FORMULAS:
        raise BadValue("cost", called, f"of {described.name} is none of {', '.join(FORMULAS)}; {WRITE_ONE}")
    try:
        formula = FORMULAS[called](**arguments)
    except TypeError as error:
        raise BadValue("cost", called, f"of {described.name} does not take these arguments: {error}") from None
    return formula if formula.name else replace(formula, name=described.title)
