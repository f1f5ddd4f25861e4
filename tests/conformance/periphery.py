"""Replay vectors of the periphery, the mapping, the layers and their optimiser.

Vectors of kind ``exact`` and ``statistical`` describe aihwkit 1.1.0, so layers take its gradient mask; of vectors of
kind ``defect`` the ``required_*`` fields count. Weights sit on devices with bounds far away unless one is named.
"""

from __future__ import annotations

import copy
import dataclasses
import re
import warnings
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from resbench.algorithms import Algorithm, ResidualLearning
from resbench.algorithms import AnalogSGD as OneTile
from resbench.crossbar.devices import ConstantStep, Device, SoftBounds
from resbench.crossbar.mapping import MappingParameters, split_sizes
from resbench.crossbar.periphery import PERFECT, IOParameters, Periphery
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import matrix
from resbench.crossbar.tile import Tile
from resbench.nn import AnalogLayer, AnalogSGD, TiledLayer, analog_layers, to_analog
from tests.conformance.result import Result

Vector = dict[str, Any]
EXACT_PULSES = PulseTrain(pulse_type="exact")
SAMPLES = 40000


class CannotInterpret(Exception):
    """A vector says something that this module does not understand."""


def replay(document: dict[str, Any]) -> list[Result]:
    """Replay every vector of a document; one that cannot be interpreted counts as failed."""
    return [_replay(vector) for vector in document["vectors"]]


def _replay(vector: Vector) -> Result:
    try:
        handler = HANDLERS.get(vector["op"], linear)
        complaints = handler(vector)
    except (
        ArithmeticError,
        AttributeError,
        CannotInterpret,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        complaints = [f"cannot be interpreted: {error!r}"]
    return Result(vector["id"], not complaints, "; ".join(complaints))


# -- comparing -------------------------------------------------------------------------------------------------------


def differs(vector: Vector, name: str, value: Any, expected: Any) -> list[str]:
    """A complaint if a value is further than ``atol`` from what is expected."""
    if value is None or expected is None:
        return [] if value is None and expected is None else [f"{name}: {value} is not {expected}"]
    got, want = (torch.as_tensor(v, dtype=torch.float64).detach() for v in (value, expected))
    if got.numel() != want.numel():
        return [f"{name}: shape {tuple(got.shape)} is not {tuple(want.shape)}"]
    error = (got.flatten() - want.flatten()).abs().max().item() if got.numel() else 0.0
    return [] if error <= vector.get("atol", 1e-5) else [f"{name}: off by {error:.3g}"]


def differs_in_distribution(vector: Vector, samples: Tensor) -> list[str]:
    """Complaints if mean or standard deviation over dimension 0 are outside the vector's tolerances."""
    source = "formula" if "formula_mean" in vector else "aihwkit"
    want_mean, want_std = (torch.as_tensor(vector[f"{source}_{m}"], dtype=torch.float64) for m in ("mean", "std"))
    mean, std = samples.double().mean(dim=0), samples.double().std(dim=0)
    floor = vector.get("atol", 1e-5)
    mean_ok = (mean - want_mean).abs() <= vector["tol_mean_in_std"] * want_std + floor
    std_ok = (std - want_std).abs() <= vector["tol_std_rel"] * want_std + floor
    complaints = [] if mean_ok.all() else [f"mean {mean.tolist()} is not {want_mean.tolist()}"]
    return complaints if std_ok.all() else [*complaints, f"std {std.tolist()} is not {want_std.tolist()}"]


# -- reading a vector ------------------------------------------------------------------------------------------------


def io_parameters(io: dict[str, Any] | str | None) -> IOParameters:
    """Parameters of one direction: fields by the peer's names, or a sentence that says perfect or default."""
    if io is None or (isinstance(io, str) and "perfect" in io):
        return PERFECT
    if isinstance(io, str):
        if "default" in io:
            return IOParameters()
        raise CannotInterpret(f"io {io!r}")
    fields: dict[str, Any] = {name: value.lower() if isinstance(value, str) else value for name, value in io.items()}
    for name in ("inp_res", "out_res"):  # few steps must be written as a bin width here
        if fields.get(name, 0) > 1 and fields[name] <= 16:
            fields[name] = 1 / fields[name]
    return IOParameters(**fields)


def device_of(vector: Vector) -> Device:
    """The device in the words of a vector, without any spread; bounds far away where it names none."""
    text = vector.get("device", "")
    fields: dict[str, Any] = dict.fromkeys(
        ("dw_min_dtod", "dw_min_std", "w_max_dtod", "w_min_dtod", "up_down_dtod"), 0.0
    )
    bound = re.search(r"bounds \+-([\d.]+)", text)
    fields |= (
        {"w_max": 100.0, "w_min": -100.0} if bound is None else {"w_max": float(bound[1]), "w_min": -float(bound[1])}
    )
    fields |= {name: float(value) for name, value in re.findall(r"(\w+)=(-?[\d.]+)", text)}
    return SoftBounds(**fields) if "SoftBounds" in text else ConstantStep(**fields)


def analog(vector: Vector, digital: nn.Module, algorithm: Algorithm | None = None) -> nn.Module:
    """The layer of a vector on analog tiles that are trained in floating point."""
    forward_io = dataclasses.replace(io_parameters(vector.get("io")), grad_mask="peer")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # flags without effect are what some vectors are about
        mapping = MappingParameters(**vector.get("mapping", {}))
    return to_analog(
        nn.Sequential(digital),
        OneTile(EXACT_PULSES) if algorithm is None else algorithm,
        device_of(vector),
        forward_io=forward_io,
        backward_io=io_parameters(vector.get("backward_io")),
        mapping=mapping,
    )


def digital_layer(vector: Vector) -> nn.Linear | nn.Conv2d:
    """The digital layer with weight and bias of a vector; a kernel of four dimensions means a convolution."""
    weight = torch.tensor(vector["weight"])
    bias = vector.get("bias")
    layer: nn.Linear | nn.Conv2d
    if weight.dim() == 4:
        out, channels, *kernel = weight.shape
        geometry = {name: vector[name] for name in ("stride", "padding", "dilation") if name in vector}
        layer = nn.Conv2d(channels, out, cast(Any, kernel), bias=bias is not None, **geometry)
    else:
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight = nn.Parameter(weight)
    if bias is not None:
        layer.bias = nn.Parameter(torch.tensor(bias))
    return layer


def only_layer(model: nn.Module) -> AnalogLayer:
    """The one analog layer of a model."""
    ((_, layer),) = analog_layers(model)
    return layer


# -- the matrix-vector product ---------------------------------------------------------------------------------------


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
    """Read every column of a fast tile and write it, in floating point, to a slow one; outputs are the samples."""
    columns = 4
    stream = Stream.from_seed(1)
    fast, slow = (Tile(device_of(vector), (SAMPLES, columns), stream.child(name)) for name in ("fast", "slow"))
    fast.program(torch.full((SAMPLES, columns), vector["fast_weight"]))
    periphery = Periphery(fast.shape, io_parameters(vector["io"]), PERFECT, stream)
    for column in range(columns):
        line = torch.tensor([column])
        slow.write(line, periphery.read_columns(fast.weight, line), vector["transfer_lr"], EXACT_PULSES)
    return [complaint for c in range(columns) for complaint in differs_in_distribution(vector, slow.weight[:, c])]


# -- layers ----------------------------------------------------------------------------------------------------------


def linear(vector: Vector) -> list[str]:
    """One layer, forward, backward and one step: every quantity that the vector expects."""
    model = analog(vector, digital_layer(vector))
    if vector.get("learned_out_scale") is not None:
        only_layer(model).out_scaling.data = torch.tensor(vector["learned_out_scale"])  # type: ignore[union-attr]
    x = torch.tensor(vector["input"])
    if vector["kind"] == "statistical":
        return differs_in_distribution(vector, model(x.expand(SAMPLES, *x.shape)).flatten(1))
    got = quantities(model, x.requires_grad_(), vector.get("grad_output"), vector.get("lr", 0.0))
    expected = vector.get("expected")
    if not isinstance(expected, dict):
        expected = {} if expected is None else {"output": expected}
    expected |= {name.removeprefix("expected_"): v for name, v in vector.items() if name.startswith("expected_")}
    if not expected:
        raise CannotInterpret(f"op {vector['op']!r} expects nothing")
    return [complaint for name, value in expected.items() for complaint in differs(vector, name, got[name], value)]


def quantities(model: nn.Module, x: Tensor, grad_output: Any, lr: float) -> dict[str, Any]:
    """What one forward, backward and step of a layer produce, by the names of the vectors."""
    got: dict[str, Any] = {"output": model(x)}
    if isinstance(model[0], TiledLayer):  # type: ignore[index]
        return got
    layer = only_layer(model)
    before = layer.algorithm.weight.clone()
    got |= {"tile_weight": before, "mapping_scale": layer.mapping_scale, "lr_scale": layer.weight.lr_scale}
    got["tile_learning_rate"] = lr * layer.weight.lr_scale
    if grad_output is None:
        return got
    got["output"].backward(torch.tensor(grad_output))
    rows, d = (matrix(side) for side in layer.weight.pairs[0])
    compensated = 1.0 if layer.mapping_scale is None else layer.mapping_scale * layer.weight.lr_scale
    images = x.shape[0] if x.dim() == 4 else 1
    got |= {
        "grad_input": x.grad,
        "grad_bias": None if layer.bias is None else layer.bias.grad,
        "grad_learned_out_scale": None if layer.out_scaling is None else layer.out_scaling.grad,
        "stored_d": d * compensated,
        "stored_x_shape": [images, rows.shape[0] // images, rows.shape[1]],
        "stored_d_shape": [images, d.shape[0] // images, d.shape[1]],
    }
    AnalogSGD(model.parameters(), lr=lr).step()
    return got | {"tile_delta_w": layer.algorithm.weight - before}


def array_split(vector: Vector) -> list[str]:
    """Sizes of the blocks of a split side."""
    wrong = [case for case in vector["cases"] if split_sizes(case["size"], case["max_size"]) != case["expected"]]
    return [f"{case['size']} by {case['max_size']} is not {case['expected']}" for case in wrong]


def set_weights(vector: Vector) -> list[str]:
    """Programming clips to the bounds of the devices."""
    layer = only_layer(analog(vector, digital_layer(vector)))
    return differs(vector, "weight", layer.get_weights()[0], vector["expected"])


def compound_set_weights(vector: Vector) -> list[str]:
    """Programming a chain of tiles."""
    weight = torch.tensor(vector["weight"])
    gammas = vector["gamma_vec"]
    chain = ResidualLearning(tiles=len(gammas), gamma=gammas)
    built = chain.build((weight.shape[0], weight.shape[1]), device_of(vector), Stream.from_seed(1))
    built.program(weight)
    hidden = torch.stack([tile.weight for _, _, tile in built.named_tiles()])
    return [
        *differs(vector, "hidden", hidden, vector["expected"]["hidden"]),
        *differs(vector, "tile_weight", built.weight, vector["expected"]["tile_weight"]),
    ]


def set_get_weights(vector: Vector) -> list[str]:
    """``set_weights(get_weights())`` leaves a layer as it is, learned scale included."""
    layer = only_layer(analog(vector, digital_layer(vector)))
    assert layer.out_scaling is not None
    layer.out_scaling.data = torch.tensor(vector["learned_out_scale"])
    x = torch.tensor(vector["input"])
    before = layer(x)
    layer.set_weights(*layer.get_weights())
    return [
        *differs(vector, "output before", before, vector["output_before"]),
        *differs(vector, "output after", layer(x), vector["required_output_after"]),
    ]


def convert(vector: Vector) -> list[str]:
    """A module that appears twice stays one module that appears twice."""
    shared = nn.Linear(3, 3)
    model = cast(nn.Sequential, to_analog(nn.Sequential(shared, nn.ReLU(), shared), OneTile(), device_of(vector)))
    kept = len(model) == vector["required_children_after"] and model[0] is model[2]
    return [] if kept and isinstance(model[0], AnalogLayer) else ["the shared module was not kept"]


# -- optimiser and checkpoints ---------------------------------------------------------------------------------------


@dataclasses.dataclass
class Training:
    """A layer with its optimiser, fed with the one batch of a vector."""

    vector: Vector

    def __post_init__(self) -> None:
        self.model = analog(self.vector, digital_layer(self.vector))
        self.layer = only_layer(self.model)
        self.start = self.layer.algorithm.weight.clone()
        rates = {name: self.vector[name] for name in ("momentum", "weight_decay") if name in self.vector}
        self.optimizer = AnalogSGD(
            self.model.parameters(), lr=self.vector.get("lr", 0.1), keep_pairs=self.vector["kind"] == "exact", **rates
        )

    def backward(self, copies: int = 1) -> None:
        """One forward and backward of the batch, repeated ``copies`` times with a mean over the copies."""
        x = torch.tensor(self.vector["input"]).repeat(copies, 1).requires_grad_()
        self.model(x).backward(torch.tensor(self.vector["grad_output"]).repeat(copies, 1) / copies)

    @property
    def delta(self) -> Tensor:
        return self.layer.algorithm.weight - self.start

    @property
    def stored(self) -> list[Tensor]:
        return [matrix(d) for _, d in self.layer.weight.pairs]


def optimizer(vector: Vector) -> list[str]:
    """What reaches the tile. The scenario is in the vector's id; a vector with an expected change takes one step."""
    training = Training(vector)
    scenario = vector["id"][:3]
    if scenario == "O07":
        training.optimizer.step()
        return differs(vector, "tile weight", training.layer.algorithm.weight, vector["expected_tile_weight"])
    if scenario == "P04":
        return aliasing(training)
    if scenario == "P07":
        training.layer.weight.requires_grad_(False)
    if scenario == "P09":
        return loss_scale(training)
    if scenario == "O05":
        training.model.eval()
    training.backward(copies=4 if scenario == "O06" else 1)
    if scenario == "O01":
        training.optimizer.step()
    if scenario == "O03":
        training.optimizer.zero_grad()
    if scenario in ("O01", "O02"):
        training.backward()
    training.optimizer.step()
    expected = vector["required_tile_delta_w" if vector["kind"] == "defect" else "expected_tile_delta_w"]
    return differs(vector, "change of the tile", training.delta, expected)


def aliasing(training: Training) -> list[str]:
    """Neither a second backward nor clipping changes what is stored."""
    wanted = torch.tensor([training.vector["grad_output"]] * 2)
    training.backward()
    training.backward()
    nn.utils.clip_grad_norm_(training.model.parameters(), 1e-3)
    return differs(training.vector, "stored d", torch.stack(training.stored), wanted)


def loss_scale(training: Training) -> list[str]:
    """Under a GradScaler the tile receives the true gradient, and so does the bias."""
    vector, received = training.vector, list[Tensor]()
    training.layer.algorithm.update = lambda x, d, lr: received.append(d)  # type: ignore[method-assign]
    layer = digital_layer(vector)
    bias = nn.Parameter(torch.zeros(layer.out_features))  # type: ignore[arg-type]
    scaler = torch.amp.GradScaler("cpu", init_scale=vector["loss_scale"])
    optimizer = AnalogSGD([*training.model.parameters(), bias], lr=1.0)
    y = training.model(torch.tensor(vector["input"])) + bias
    loss = (y * torch.tensor(vector["grad_output"])).sum()
    cast(Tensor, scaler.scale(loss)).backward()
    scaler.step(optimizer)
    return [
        *differs(vector, "received d", torch.cat(received), vector["required_stored_d"]),
        *differs(vector, "step of the bias", -bias, vector["aihwkit_bias_grad"]),
    ]


def checkpoint(vector: Vector) -> list[str]:
    """Hidden weights survive a checkpoint, and an optimiser made before loading keeps training."""
    if "gamma_vec" in vector:
        hidden = torch.tensor(vector["saved_hidden"])
        chain = ResidualLearning(tiles=len(hidden), gamma=vector["gamma_vec"])
        saved = chain.build((hidden.shape[1], hidden.shape[2]), device_of(vector), Stream.from_seed(1))
        for (_, _, tile), weight in zip(saved.named_tiles(), hidden, strict=True):
            tile.program(weight)
        loaded = chain.build(saved.shape, device_of(vector), Stream.from_seed(1))
        loaded.load_state_dict(saved.state_dict())
        restored = torch.stack([tile.weight for _, _, tile in loaded.named_tiles()])
        return [
            *differs(vector, "hidden", restored, vector["required_restored_hidden"]),
            *differs(vector, "tile weight", loaded.weight, vector["saved_tile_weight"]),
        ]
    training = Training(vector)
    training.model.load_state_dict(copy.deepcopy(training.model.state_dict()))
    for _ in range(vector["steps"]):
        training.backward()
        training.optimizer.step()
    left = len(training.stored)
    return [
        *differs(vector, "change of the tile", training.delta, vector["required_tile_delta_w"]),
        *([] if left == vector["required_pairs_left"] else [f"{left} pairs are left"]),
    ]


HANDLERS: dict[str, Callable[[Vector], list[str]]] = {
    "forward_mvm": product,
    "backward_mvm": product,
    "instance_parameter": instance_parameter,
    "noise_management_state": running_mean,
    "transfer_read": transfer_read,
    "linear_forward": linear,
    "linear_mapping_update": linear,
    "conv2d": linear,
    "array_split": array_split,
    "set_weights": set_weights,
    "compound_set_weights": compound_set_weights,
    "set_get_weights": set_get_weights,
    "convert_to_analog": convert,
    "optimizer": optimizer,
    "state_dict_roundtrip": checkpoint,
}
