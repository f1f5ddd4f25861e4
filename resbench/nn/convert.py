"""Converting a digital model: the chosen layers are put on crossbar tiles."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from resbench.algorithms import Algorithm
from resbench.crossbar.devices import Device
from resbench.crossbar.mapping import ONE_ARRAY, MappingParameters
from resbench.crossbar.periphery import PERFECT, IOParameters
from resbench.crossbar.randomness import Stream
from resbench.errors import BadValue
from resbench.nn.arrays import on_arrays
from resbench.nn.base import analog_layers
from resbench.nn.grouped import GroupedConv
from resbench.nn.hardware import Hardware
from resbench.nn.lstm import AnalogLSTM
from resbench.nn.transposed import AnalogConvTranspose2d
from resbench.nn.twin import Twin

#: Layers that can be analog.
Convertible = nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d | nn.LSTM
CONVERTIBLE = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.LSTM)
#: Layers of torch that multiply by a matrix.
PRODUCTS = (
    *(nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd),
    *(nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention),
)
#: Attributes of a module in which torch keeps hooks. Hooks on its state are left out: an analog state has other keys.
HOOKS = tuple(name for name in vars(nn.Module()) if "_hook" in name and "state_dict" not in name)


def to_analog(
    model: nn.Module,
    algorithm: Algorithm,
    device: Device | Sequence[Device],
    layers: Sequence[str] = ("*",),
    seed: int = 0,
    forward_io: IOParameters = PERFECT,
    backward_io: IOParameters = PERFECT,
    mapping: MappingParameters = ONE_ARRAY,
) -> nn.Module:
    """Put layers of a model on crossbar tiles, in place: linear layers, convolutions and LSTMs.

    Convolutions are those in one or two dimensions, with an array for each of their groups, and transposed ones in two
    dimensions without groups. An LSTM has one array in each cell. Every other layer stays digital: LSTMs with a
    projection, other recurrent layers and cells, attention, bilinear layers, subclasses.

    A pattern names a module, everything below a module (``layer3`` takes ``layer3.0.conv1``), or uses wildcards
    (``*.conv?``). A module that appears twice in the model stays one module; one name that matches is enough. Hooks on
    the forward and backward passes of a layer are moved to its analog layer, and their handles still remove them.
    :class:`~resbench.algorithms.DigitalSGD` leaves the model as it is.

    Args:
        model: the model; a warning names matched layers that multiply by a matrix but stay digital.
        algorithm: hyper-parameters; each layer gets its own copy with tiles.
        device: device of all tiles, or one for each tile, fast tile first.
        layers: patterns of the names of modules.
        seed: seed of all random numbers of the tiles; each layer has its own stream by name.
        forward_io: periphery of the forward products.
        backward_io: periphery of the backward products.
        mapping: scales, bias column and largest array; a layer beyond the limits becomes a
            :class:`~resbench.nn.TiledLayer`.

    Returns:
        The model.

    Raises:
        TypeError: for a class in place of an instance, and for a single pattern in place of a list.
        BadValue: for a pattern that matches no layer that can be analog, or that matches a layer that does not
            fit, is analog already, or shares its weight with another.
    """
    _check_types(model, algorithm, device, layers, forward_io, backward_io, mapping)
    chosen = chosen_layers(model, layers)
    if algorithm.digital:
        return model
    _check_parameters(chosen, model)
    hardware = Hardware(algorithm, device, Stream.from_seed(seed), forward_io, backward_io, mapping)
    twins: dict[int, nn.Module] = {}
    for name, module in chosen.items():
        if id(module) not in twins:
            try:
                twins[id(module)] = _twin(module, hardware.child("layer", name))
            except (TypeError, ValueError) as error:
                raise BadValue("layers", repr(name), f"cannot be analog: {error}") from None
    for name, module in chosen.items():  # once all of them can be
        parent, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(parent), attribute, twins[id(module)])
        _move_hooks(module, twins[id(module)])
    for name, layer in analog_layers(model):
        layer.weight.label = f"{name}.weight"
    _call_sublayers(model)
    digital = [text for name, text in digital_products(model) if any(_matches(name, pattern) for pattern in layers)]
    if digital:
        warnings.warn(f"layers: these stay digital, no array does what they do: {', '.join(digital)}", stacklevel=2)
    return model


def chosen_layers(model: nn.Module, layers: Sequence[str]) -> dict[str, Convertible]:
    """The layers of a digital model that patterns match, by name. A layer with several names is listed under all.

    Args:
        model: the model.
        layers: patterns as in :func:`to_analog`.

    Raises:
        BadValue: for a pattern that matches no layer that can be analog.
    """
    found: dict[str, Convertible] = {
        name: module
        for name, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, CONVERTIBLE) and _can_be_analog(module) and name
    }
    for pattern in layers:
        if not any(_matches(name, pattern) for name in found):
            raise BadValue("layers", repr(pattern), _why_unmatched(pattern, model, list(found)))
    # A module that is matched under one of its names is converted in all its places.
    matched = {id(module) for name, module in found.items() if any(_matches(name, pattern) for pattern in layers)}
    return {name: module for name, module in found.items() if id(module) in matched}


def _can_be_analog(module: Convertible) -> bool:
    """Whether arrays can do what a layer does. Subclasses are left out, because they may compute anything."""
    if type(module) not in CONVERTIBLE:
        return False
    if isinstance(module, nn.LSTM):
        return module.proj_size == 0
    return not (isinstance(module, nn.ConvTranspose2d) and module.groups > 1)


def _call_sublayers(model: nn.Module) -> None:
    """Keep torch's transformer layers off their fused path, which uses weights of sublayers without calling them."""
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoder):
            module.use_nested_tensor = False
        if isinstance(module, nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0  # one of the conditions of that path, and used nowhere else


def _check_types(
    model: Any, algorithm: Any, device: Any, layers: Any, forward_io: Any, backward_io: Any, mapping: Any
) -> None:
    """Refuse usual mistakes: a class instead of an instance, one pattern instead of a list, a single layer."""
    devices = device if isinstance(device, Sequence) and not isinstance(device, str) else [device]
    for name, value, kind, example in (
        ("model", model, nn.Module, "torch.nn.Sequential(...)"),
        ("algorithm", algorithm, Algorithm, "resbench.algorithms.TikiTakaV2()"),
        *(("device", one, Device, "resbench.devices.SoftBounds(states=16)") for one in devices),
        ("forward_io", forward_io, IOParameters, "IOParameters()"),
        ("backward_io", backward_io, IOParameters, "IOParameters()"),
        ("mapping", mapping, MappingParameters, "MappingParameters()"),
    ):
        if isinstance(value, type):
            raise TypeError(f"{name}: {value.__name__} is a class; write an instance, {value.__name__}(...)")
        if not isinstance(value, kind):
            given = type(value)
            path = given.__qualname__ if given.__module__ == "builtins" else f"{given.__module__}.{given.__qualname__}"
            raise TypeError(f"{name}: {path} is no {kind.__name__}; write one, such as {example}")
    if isinstance(layers, str):
        raise TypeError(f"layers: {layers!r} is one pattern; write a list, [{layers!r}]")
    if isinstance(model, Twin):
        raise BadValue("model", f"this {type(model).__name__}", "is analog already")
    if isinstance(model, PRODUCTS):
        raise BadValue(
            "model",
            f"a bare {type(model).__name__}",
            "has no name by which it could be replaced; write nn.Sequential(layer), or its layer of resbench.nn, such "
            "as AnalogLinear",
        )


def _why_unmatched(pattern: str, model: nn.Module, names: Sequence[str]) -> str:
    """What is wrong with a pattern that matches no layer that could become analog."""
    matched = [(name, module) for name, module in model.named_modules() if name and _matches(name, pattern)]
    analog = [name for name, module in matched if isinstance(module, Twin)]
    if analog:
        return f"matches layers that are analog already: {', '.join(analog)}; a layer is converted once"
    names_matched = {name for name, _ in matched}
    digital = [text for name, text in digital_products(model) if name in names_matched and name not in names]
    reason = "matches no layer that can be analog"
    if digital:
        reason += f" but {', '.join(digital)}, which stay digital"
    if not names:
        return f"{reason}; the model has none"
    example = (difflib.get_close_matches(pattern, names, n=1, cutoff=0.3) or names)[0]
    return f"{reason}; write one of {', '.join(names)}, for example {example!r}"


def digital_products(model: nn.Module) -> Iterator[tuple[str, str]]:
    """(name, description) of the layers of a model that multiply by a matrix digitally, without their sublayers."""
    outer: list[str] = []
    for name, module in model.named_modules():
        inside = any(name.startswith(f"{other}.") for other in outer)
        if isinstance(module, PRODUCTS) and not inside:
            outer.append(name)
            given = {option: getattr(module, option, 0) for option in ("groups", "proj_size")}
            options = [f"{option}={value}" for option, value in given.items() if value > 1]
            yield name, f"{name} ({', '.join([type(module).__name__, *options])})"


def _check_parameters(chosen: Mapping[str, Convertible], model: nn.Module) -> None:
    """Refuse layers that share a weight with another module: on tiles there would be two."""
    owned = [
        (f"{name}.{attribute}" if name else attribute, module, parameter)
        for name, module in model.named_modules()
        for attribute, parameter in module.named_parameters(recurse=False)
    ]
    for name, layer in chosen.items():
        own = set(layer._flat_weights_names) if isinstance(layer, nn.LSTM) else {"weight", "bias"}
        others = layer._parameters.keys() - own
        if others:
            raise BadValue(
                "layers",
                repr(name),
                f"cannot be analog: its weight is computed from {', '.join(sorted(others))} (weight norm, pruning); "
                "make it permanent first",
            )
        for attribute, mine in layer.named_parameters(recurse=False):
            for other, module, theirs in owned:
                if module is not layer and _overlap(mine, theirs):
                    raise BadValue(
                        "layers",
                        f"{name}.{attribute} and {other}",
                        "are one parameter, on tiles they would be two; give one of them its own, "
                        "nn.Parameter(weight.detach().clone()), or leave both digital",
                    )


def _overlap(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors share memory."""
    if one is other:
        return True
    sizes = [tensor.numel() * tensor.element_size() for tensor in (one, other)]
    if one.device != other.device or one.is_meta or 0 in sizes:
        return False
    first, second = one.data_ptr(), other.data_ptr()
    return first < second + sizes[1] and second < first + sizes[0]


def _twin(layer: Convertible, hardware: Hardware) -> nn.Module:
    """The analog layer in place of a digital one, on its device, in its precision and mode, and frozen as it is."""
    twin: Twin
    if isinstance(layer, nn.LSTM):
        twin = AnalogLSTM(layer, hardware)
    elif isinstance(layer, nn.ConvTranspose2d):
        twin = AnalogConvTranspose2d(layer, hardware)
    elif isinstance(layer, nn.Conv1d | nn.Conv2d) and layer.groups > 1:
        twin = GroupedConv(layer, hardware)
    else:
        twin = on_arrays(layer, hardware)
    frozen = {kind: _is_frozen(layer, kind) for kind in ("weight", "bias")}
    if frozen["weight"] != frozen["bias"] and any(array.bias_column for _, array in analog_layers(twin)):
        raise BadValue(
            "requires_grad",
            f"true only for the {'weight' if frozen['bias'] else 'bias'}",
            "but digital_bias: false puts the bias on the array of the weight, where both train or none; freeze both "
            "or none, or write digital_bias: true",
        )
    for name, parameter in twin.named_parameters():
        # What is no bias is a weight, or an output scale, which is a factor of it.
        kind = "bias" if name.rpartition(".")[2].startswith("bias") else "weight"
        parameter.requires_grad_(not frozen[kind])
    like = next(layer.parameters())
    if like.dtype is not torch.get_default_dtype():  # else nothing is cast, some buffers are wider on purpose
        twin = twin.to(like.dtype)
    return twin.to(like.device).train(layer.training)


def _is_frozen(layer: nn.Module, kind: str) -> bool:
    """Whether the weights (or the biases) of a layer are frozen; an LSTM has several of each.

    Raises:
        BadValue: if only some of them are.
    """
    trained = {parameter.requires_grad for name, parameter in layer.named_parameters() if name.startswith(kind)}
    if len(trained) > 1:
        raise BadValue("requires_grad", f"only some of the {kind}s", "are frozen; freeze all of them or none")
    return trained == {False}


def _move_hooks(layer: nn.Module, twin: nn.Module) -> None:
    """Move the hooks of a digital layer to the analog one. The dictionaries stay, so handles still remove hooks."""
    for name in HOOKS:
        hooks = getattr(layer, name)
        if isinstance(hooks, dict):
            hooks.update(getattr(twin, name))
        setattr(twin, name, hooks)


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or name.startswith(pattern + ".") or fnmatchcase(name, pattern)
