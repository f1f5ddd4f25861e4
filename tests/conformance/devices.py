"""Replay vectors of devices and pulsed updates: mean and spread of many repeats of a small experiment.

The kinds are ``update`` (a mini-batch on a small array), ``pulse_sequence`` (single pulses on one device),
``construction`` (constants of many devices), ``operation`` (decay, diffusion, reset, clip, drift) and ``scalar``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from resbench.crossbar.devices import Device, Element, Ideal, OneSidedCell, VectorCell
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.tile import Tile
from resbench.crossbar.unit_cells import make_tile
from tests.conformance import device_config
from tests.conformance.result import CannotInterpret, Result, result_of

Vector = dict[str, Any]
Array = NDArray[np.float64]

#: Repeats of an ``update`` vector that share a tile. Each also computes the silent rows of the others.
REPEATS = 128
#: Pulses in one call of a ``pulse_sequence``.
CHUNK = 2_000_000
COUNTS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10}
#: Our names of constants that have other names in the vectors, and values of constants that a device does not have.
CONSTANTS = {"diffusion_rate": "diffusion", "decay_scale": "decay_factor", "nu": "drift_nu"}
ABSENT = {"diffusion": 0.0, "decay_factor": 1.0, "reference": 0.0, "drift_nu": 0.0}


def replay(document: dict[str, Any]) -> list[Result]:
    """The results of all vectors of a document."""
    return [replay_vector(vector) for vector in document["vectors"]]


def replay_vector(vector: Vector) -> Result:
    """The result of one vector."""
    return result_of(vector, lambda vector: KINDS[vector["kind"]](vector))


# -- the kinds ---------------------------------------------------------------------------------------------------------


def update(vector: Vector) -> list[str]:
    """A mini-batch on fresh weights, ``n_repeats`` times.

    Many repeats share one tile. Repeat r has its own rows and its samples drive only these. So the pulses of its
    columns are its own too.
    """
    inputs, config = vector["inputs"], vector["config"]
    device, pulses = _device(vector), _pulses(config)
    x, d = (torch.atleast_2d(torch.tensor(inputs[name], dtype=torch.float32)).flatten(0, -2) for name in ("x", "d"))
    samples, out, columns = x.shape[0], d.shape[1], x.shape[1]
    w0 = torch.as_tensor(inputs.get("w0", 0.0), dtype=torch.float32).expand(out, columns)
    drawn = pulses is not None and (pulses.pulse_type == "stochastic" or pulses.sto_round)
    counting = _counts_samples(device)
    fresh = counting or inputs.get("fresh_devices_each_repeat", True)
    at_once = 1 if counting else REPEATS if drawn else vector["n_repeats"]
    stream, found = _stream(vector), list[Array]()
    tile: Tile | None = None
    while (done := sum(part.shape[0] for part in found)) < vector["n_repeats"]:
        repeats = min(at_once, vector["n_repeats"] - done)
        shape = (repeats * out, columns)
        if tile is None or tile.shape != shape or fresh:
            tile = make_tile(device, shape, stream.child(done))
        tile.program(w0.repeat(repeats, 1))
        if pulses is not None:
            blocks = torch.einsum("rq,mi->rmqi", torch.eye(repeats), d).reshape(repeats * samples, repeats * out)
            rows, errors = (x.repeat(repeats, 1), blocks) if drawn else (x, d.repeat(1, repeats))
            tile.update(rows, errors, inputs["lr"], pulses)
        weight = tile.stored if "persistent" in vector["quantity"] else tile.weight
        found.append(weight.double().numpy().reshape(repeats, out, columns))
    values = np.concatenate(found)
    if "count" in vector["quantity"]:
        values = _counts((values - w0.double().numpy()) / config["device"]["dw_min"])
    if "pairs" in inputs or "covariance" in vector["quantity"].lower():
        return _compare_covariances(vector, values)
    return _compare(vector, values)


def pulse_sequence(vector: Vector) -> list[str]:
    """Single pulses on a column of devices, one for each repeat."""
    inputs, device, pulses = vector["inputs"], _device(vector), _pulses(vector["config"])
    train = [way for what, times in inputs["pulses"] for way in _directions(what) * int(times)]
    quantity = vector["quantity"].lower()
    # If an element is chosen at random for each sample, repeats must not share their samples.
    apart = isinstance(device, VectorCell) and device.update_policy == "single_random"
    found = list[Array]()
    while (done := sum(part.shape[0] for part in found)) < vector["n_repeats"]:
        repeats = min(REPEATS if apart else vector["n_repeats"], vector["n_repeats"] - done)
        tile = make_tile(device, (repeats, 1), _stream(vector).child(done))
        tile.program(torch.full((repeats, 1), float(inputs.get("w0", 0.0))))
        visible, stored, begin = [], [], 0
        for end in inputs["record_after"]:
            _pulse(tile, train[begin:end], pulses, apart)
            visible.append(tile.weight.double().numpy().reshape(-1))
            stored.append(tile.stored.double().numpy().reshape(-1))
            begin = end
        both = visible + stored if "first half" in quantity else visible
        found.append(np.stack(stored if quantity.startswith("persistent") else both, axis=1))
    return _compare(vector, np.concatenate(found))


def construction(vector: Vector) -> list[str]:
    """The constants of many devices."""
    inputs = vector["inputs"]
    device = _device(vector)
    if not isinstance(device, Element):
        raise CannotInterpret("construction of a unit cell")
    columns = 500 if inputs["n_devices"] % 500 == 0 else 1
    constants = device.fabricate((inputs["n_devices"] // columns, columns), _stream(vector))

    def drawn(parameter: str) -> Array:
        name = CONSTANTS.get(parameter, parameter)
        if name not in constants and name not in ABSENT:
            raise CannotInterpret(f"constant {parameter!r} of {type(device).__name__}")
        values = constants.get(name, torch.full_like(constants["w_max"], ABSENT.get(name, 0.0)))
        return values.double().numpy().reshape(-1)

    values = np.stack([drawn(parameter) for parameter in inputs["parameters"]], axis=1)
    deviations = _compare(vector, values)
    for name, column, expected in zip(
        inputs["parameters"], values.T, vector.get("expected_quantiles") or (), strict=False
    ):
        deviations += _compare_quantiles(name, column, vector["expected_quantiles_percent"], expected)
    if (expected := vector.get("expected_corr_up_down")) is not None:
        found = float(np.corrcoef(drawn("step_up"), drawn("step_down"))[0, 1])
        # 4.5 standard errors, doubled for the heavy tails of the steps, plus the rounding of the printed digits
        tolerance = 4.5 * 2 * (1 - expected**2) / values.shape[0] ** 0.5 + 1e-4
        if abs(found - expected) > tolerance:
            deviations.append(
                f"correlation of up and down steps {found:.5g}, expected {expected:.5g} +- {tolerance:.2g}"
            )
    return deviations


def operation(vector: Vector) -> list[str]:
    """Changes of devices without pulses: a list of steps, or those that the description names."""
    inputs, repeats = vector["inputs"], vector["n_repeats"]
    tile = make_tile(_device(vector), (repeats, 1), _stream(vector))
    tile.program(torch.full((repeats, 1), float(inputs.get("w0", 0.0))))
    steps = inputs.get("steps") or inputs.get("operations") or _described(vector)
    recorded = []
    for step in steps:
        _operate(tile, str(step).lower())
        recorded.append(tile.weight.double().numpy().reshape(-1))
    if not recorded:
        recorded.append(tile.weight.double().numpy().reshape(-1))
    each = np.ndim(vector["expected_mean"]) > 0 and len(np.ravel(vector["expected_mean"])) == len(recorded)
    return _compare(vector, np.stack(recorded, axis=1) if each else recorded[-1])


def scalar(vector: Vector) -> list[str]:
    """Properties of mean devices."""
    devices = [_named(item) for item in vector["inputs"]["items"]]
    if "states" in vector["quantity"]:
        return _compare(vector, np.array([[device.state_count for device in devices]]))
    if "granularity" in vector["quantity"]:
        return _compare(vector, np.array([[device.granularity for device in devices]]))
    raise CannotInterpret(f"quantity {vector['quantity']!r}")


KINDS: dict[str, Callable[[Vector], list[str]]] = {
    "update": update,
    "pulse_sequence": pulse_sequence,
    "construction": construction,
    "operation": operation,
    "scalar": scalar,
}

# -- reading a vector --------------------------------------------------------------------------------------------------


def _stream(vector: Vector) -> Stream:
    return Stream.from_seed(0).child(vector["id"])


def _device(vector: Vector) -> Device:
    config = vector["config"]
    return Ideal() if device_config.is_ideal(config) else device_config.device(config["device"], config.get("drift"))


def _pulses(config: Vector) -> PulseTrain | None:
    return PulseTrain() if device_config.is_ideal(config) else device_config.pulse_train(config.get("update", {}))


def _directions(what: str) -> list[int]:
    """+1 and -1 for ``up``, ``down`` or a repeated pattern such as ``up,down repeated``."""
    words = re.findall(r"[a-z]+", what.lower().replace("repeated", ""))
    if not words or set(words) - {"up", "down"}:
        raise CannotInterpret(f"pulses {what!r}")
    return [1 if word == "up" else -1 for word in words]


def _named(item: str) -> Device:
    """``preset X``, ``class default X``, or ``Model field=value ...``."""
    if item.startswith("preset "):
        return device_config.preset(item.removeprefix("preset ").strip())
    model, _, settings = item.removeprefix("class default ").strip().partition(" ")
    config: Vector = {"model": model}
    for name, value in re.findall(r"(\w+)\s*=\s*(\[[^\]]*\]|[^\s,]+)", settings):
        numbers = [float(number) for number in re.findall(r"[-+.\de]+", value)]
        config[name] = numbers if value.startswith("[") else numbers[0]
    if "up" in config:  # nodes of a table; the granularity reads the up side only
        config["piecewise_up"] = config.pop("up")
        config["piecewise_down"] = config.pop("down", config["piecewise_up"])
    return device_config.device(config)


def _described(vector: Vector) -> list[str]:
    """The operations that a description names: the first verb, how often, and its number."""
    inputs, text = vector["inputs"], str(vector.get("operation", vector["description"])).lower()
    verbs = r"set_weights|decay|diffusion|diffuse|reset|clip|drift"
    named = str(inputs.get("operation", "")).lower() or next(iter(re.findall(verbs, text)), "")
    if named == "set_weights":
        return []
    if not re.fullmatch(verbs, named):
        raise CannotInterpret(f"operation {vector['description']!r}")
    times = inputs.get("n_calls") or inputs.get("calls")
    if times is None:
        counted = re.search(r"(\d+|one|two|three|four|five|six|ten)\s+(?:\w+\s+)?calls?", text)
        times = COUNTS.get(counted[1]) or int(counted[1]) if counted else 1
    patterns = {
        "decay": r"alpha\s*(?:=|of)?\s*([\d.]+)",
        "clip": r"clip\D*?([\d.]+)",
        "drift": r"(?:dt|delta_t|for)\s*=?\s*([\d.]+)",
        "reset": r"prob\w*\s*(?:=|of)?\s*([\d.]+)",
    }
    number = next(
        (inputs[key] for key in ("alpha", "bound", "clip", "c", "dt", "prob", "probability") if key in inputs), None
    )
    if number is None and (match := re.search(patterns.get(named, "$^"), text)):
        number = match[1].rstrip(".")
    return [named if number is None else f"{named} {number}"] * int(times)


def _operate(tile: Tile, step: str) -> None:
    """One step such as ``drift 9``, ``decay 0.5``, ``one up pulse``."""
    numbers = [float(number) for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e[-+]?\d+)?", step)]
    if "pulse" in step:
        times = next((COUNTS[word] for word in step.split() if word in COUNTS), int(numbers[0]) if numbers else 1)
        _pulse(tile, _directions("down" if "down" in step else "up") * times, None)
    elif "drift" in step:
        tile.pass_time(numbers[0])
    elif "decay" in step:
        tile.decay(*numbers[:1])
    elif "diffus" in step:
        tile.diffuse()
    elif "reset" in step:
        tile.reset(None, *numbers[:1])
    elif "clip" in step:
        tile.clip(numbers[0])
    else:
        raise CannotInterpret(f"step {step!r}")


def _pulse(tile: Tile, train: Sequence[int], pulses: PulseTrain | None, apart: bool = False) -> None:
    """Exactly one coincidence for each entry, on every device of a one-column tile.

    Args:
        tile: the devices.
        train: +1 and -1.
        pulses: a train of which every line fires at a large rate.
        apart: pulse each device by a sample of its own, in place of one sample for all of them.
    """
    pulses = pulses or PulseTrain(desired_bl=1, update_bl_management=False, update_management=False)
    rows, width = tile.shape[0], max(1, CHUNK // tile.shape[0])
    for begin in range(0, len(train), width):
        signs = -torch.tensor(train[begin : begin + width], dtype=torch.float32)
        errors = torch.kron(signs[:, None], torch.eye(rows)) if apart else signs[:, None].expand(-1, rows).contiguous()
        tile.update(torch.ones(errors.shape[0], 1), errors, 1000.0, pulses)


def _counts_samples(device: Device) -> bool:
    """Whether the effect of a sample depends on the number of samples before it. Then repeats cannot share a tile."""
    if isinstance(device, OneSidedCell):
        return device.refresh_every > 0 and not device.units_in_mbatch
    return isinstance(device, VectorCell) and device.update_policy == "single_sequential"


# -- comparing ---------------------------------------------------------------------------------------------------------


def _counts(values: Array) -> Array:
    """Whole numbers of steps: float32 sums of noise-free steps are whole up to rounding."""
    whole: Array = np.rint(values)
    return whole if np.all(np.abs(values - whole) < 2e-3 * (1 + np.abs(whole))) else values


def _compare(vector: Vector, values: Array) -> list[str]:
    """Deviations of mean and spread over the first axis from what a vector expects."""
    expected, tolerance = np.asarray(vector["expected_mean"], np.float64), vector["tolerance"]
    mean, std = values.mean(axis=0).reshape(expected.shape), values.std(axis=0).reshape(expected.shape)
    allowed = np.broadcast_to(np.asarray(tolerance["mean_abs"], np.float64), expected.shape)
    deviations = _list("mean", mean, expected, np.abs(mean - expected) <= allowed, allowed)
    if vector.get("expected_std") is None:
        return deviations
    spread = np.broadcast_to(np.abs(np.asarray(vector["expected_std"], np.float64)), expected.shape)
    relative = np.broadcast_to(np.asarray(tolerance["std_rel"], np.float64), expected.shape)
    room = np.where(spread == 0, 1e-5 * np.maximum(1.0, np.abs(expected)), relative * spread)
    return deviations + _list("spread", std, spread, np.abs(std - spread) <= room, room)


def _list(what: str, found: Array, expected: Array, good: NDArray[np.bool], room: Array) -> list[str]:
    return [
        f"{what}{list(map(int, at)) if at.size else ''} {found[tuple(at)]:.6g}, "
        f"expected {expected[tuple(at)]:.6g} +- {room[tuple(at)]:.2g}"
        for at in np.argwhere(~good)
    ]


def _compare_quantiles(name: str, values: Array, percents: Sequence[float], expected: Sequence[float]) -> list[str]:
    """Whether each expected quantile lies between order statistics that enclose it with 5 standard errors.

    The expected quantiles come from 2 million draws and are printed with 5 digits.
    """
    deviations = []
    for percent, value in zip(percents, expected, strict=True):
        share = percent / 100
        error = 5 * (share * (1 - share) * (1 / values.size + 1 / 2e6)) ** 0.5
        low, high = np.quantile(values, [max(share - error, 0.0), min(share + error, 1.0)])
        slack = 1e-4 * abs(value) + 1e-12
        if not low - slack <= value <= high + slack:
            deviations.append(f"{percent} % quantile of {name} in [{low:.5g}, {high:.5g}], expected {value:.5g}")
    return deviations


def _compare_covariances(vector: Vector, values: Array) -> list[str]:
    """Covariances of pairs of cells; a pair is two (row, column) positions, however they are nested."""
    expected = np.ravel(np.asarray(vector["expected_mean"], np.float64))
    pairs = [tuple(int(i) for i in np.ravel(pair)) for pair in vector["inputs"]["pairs"]]
    centred = values - values.mean(axis=0)
    found = np.array([(centred[:, i, j] * centred[:, k, m]).mean() for i, j, k, m in pairs])
    allowed = np.broadcast_to(np.asarray(vector["tolerance"]["mean_abs"], np.float64), expected.shape)
    return _list("covariance", found, expected, np.abs(found - expected) <= allowed, allowed)
