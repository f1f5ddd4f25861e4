"""A summary of a converted model, its tiles by name, and calls for all of its algorithms at once."""

from __future__ import annotations

from torch import nn

from resbench.crossbar.tile import Tile
from resbench.errors import BadValue
from resbench.nn.base import analog_layers
from resbench.nn.convert import digital_products
from resbench.nn.parameter import AnalogWeight
from resbench.nn.shared import collect_tiles


def tiles(model: nn.Module) -> dict[str, Tile]:
    """The tiles of a model by name, ``layer.tile``: the names that logs and records use, the fast tile first.

    ``tile.weight`` is float32 ``[out, in]``; ``tile.pulses_up`` and ``tile.pulses_down`` count the pulses of each
    device. Read them; weights are set by ``layer.set_weights``, and changed by the algorithm only.
    """
    return {
        f"{layer_name}.{tile_name}": tile
        for layer_name, layer in analog_layers(model)
        for tile_name, _, tile in layer.algorithm.named_tiles()
    }


def analog_table(model: nn.Module) -> list[str]:
    """Lines of a table: shape ``out x in``, tiles, devices, states and bits of each analog layer; none without any."""
    rows: list[tuple[str, ...]] = [("layer", "shape", "tiles", "device", "states", "bits")]
    for name, layer in analog_layers(model):
        held = list(layer.algorithm.tiles)
        columns = (
            [type(tile.device).__name__ for tile in held],
            [f"{tile.device.state_count:g}" for tile in held],
            [f"{tile.device.bits:.3g}" for tile in held],
        )
        devices = [" ".join(dict.fromkeys(column)) for column in columns]
        rows.append((name, "x".join(map(str, layer.algorithm.shape)), str(len(held)), *devices))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows] if len(rows) > 1 else []


def summary(model: nn.Module) -> str:
    """Text about a model: a line for each analog layer, products that stay digital, and digital parameters."""
    digital = [
        f"{name or 'the model itself'}: {type(module).__name__}, {count:,} parameters"
        for name, module in model.named_modules()
        if (count := _digital_parameters(module))
    ]
    analog = analog_table(model) or ["no analog layers"]
    if products := [text for _, text in digital_products(model)]:
        analog.append(f"products that stay digital: {', '.join(products)}")
    return "\n".join([*analog, *(["digital:", *digital] if digital else [])])


def drifts(model: nn.Module) -> bool:
    """Whether any device of a model drifts, so that :func:`pass_time` changes it."""
    return any(tile.drifts for _, layer in analog_layers(model) for tile in layer.algorithm.tiles)


def pass_time(model: nn.Module, seconds: float) -> None:
    """Let all devices of a model drift for a time; devices without a drift exponent stay as they are.

    A weight that was changed since the last call counts as programmed now. The first call takes all weights as
    programmed at its beginning.

    Args:
        model: the converted model.
        seconds: how long, 0 or more.

    Raises:
        BadValue: for a negative time.
    """
    if not seconds >= 0:
        raise BadValue("seconds", seconds, "is no time that passes; write 0 or more")
    collect_tiles(model)
    for _, layer in analog_layers(model):
        layer.algorithm.pass_time(seconds)


def end_epoch(model: nn.Module, train_loss: float) -> None:
    """Tell the algorithms of a model that an epoch ended. Call this after each epoch of your own training loop.

    Residual learning with a schedule that waits for a plateau of the loss needs it; others ignore it. With
    ``Plateau(every="batch")`` call ``layer.algorithm.on_batch_end(loss)`` after each step as well.

    Args:
        model: the converted model.
        train_loss: mean training loss of the epoch.
    """
    collect_tiles(model)
    for _, layer in analog_layers(model):
        layer.algorithm.on_epoch_end(train_loss)


def _digital_parameters(module: nn.Module) -> int:
    """How many numbers the digital parameters of a module have, without its submodules."""
    own = module.parameters(recurse=False)
    return sum(parameter.numel() for parameter in own if not isinstance(parameter, AnalogWeight))
