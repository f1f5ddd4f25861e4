"""Replay vectors of layers, mapping, optimiser and checkpoints; see :mod:`tests.conformance.periphery`."""

from __future__ import annotations

import copy
import dataclasses
import functools
import warnings
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from resbench.algorithms import AnalogSGD as OneTile
from resbench.algorithms import ResidualLearning
from resbench.crossbar.mapping import MappingParameters, split_sizes
from resbench.crossbar.randomness import Stream
from resbench.nn import AnalogLayer, AnalogOptimizer, TiledLayer, analog_layers, to_analog
from tests.conformance.reading import (
    EXACT_PULSES,
    SAMPLES,
    Vector,
    device_of,
    differs,
    differs_in_distribution,
    io_parameters,
)
from tests.conformance.result import CannotInterpret


def analog(vector: Vector, digital: nn.Module) -> nn.Module:
    """The layer of a vector on analog tiles that are trained in floating point."""
    forward_io = dataclasses.replace(io_parameters(vector.get("io")), grad_mask="peer")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # some vectors are about flags without effect
        mapping = MappingParameters(**vector.get("mapping", {}))
    return to_analog(
        nn.Sequential(digital),
        OneTile(EXACT_PULSES),
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


def linear(vector: Vector) -> list[str]:
    """Forward, backward and one step of a layer, compared in every quantity that the vector expects."""
    model = analog(vector, digital_layer(vector))
    if vector.get("learned_out_scale") is not None:
        only_layer(model).out_scaling.data = torch.tensor(vector["learned_out_scale"])  # type: ignore[union-attr]
    x = torch.tensor(vector["input"])
    if vector["kind"] == "statistical":
        return differs_in_distribution(vector, model(x.expand(SAMPLES, *x.shape)).flatten(1))
    got = quantities(model, x.requires_grad_(), vector.get("grad_output"), vector.get("lr", 0.0))
    expected = vector.get("expected")
    if not isinstance(expected, dict):
        backward = "grad_output" in vector and "forward" not in vector["op"]
        name = "grad_input" if backward else "output"  # a vector may be a bare matrix
        expected = {} if expected is None else {name: expected}
    expected |= {name.removeprefix("expected_"): v for name, v in vector.items() if name.startswith("expected_")}
    if not expected:
        raise CannotInterpret(f"op {vector['op']!r} expects nothing")
    return [complaint for name, value in expected.items() for complaint in differs(vector, name, got[name], value)]


def quantities(model: nn.Module, x: Tensor, grad_output: Any, lr: float) -> dict[str, Any]:
    """Results of one forward, backward and step of a layer, by the names of the vectors."""
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
    rows, d = (side.dense() for side in layer.weight.pairs[0])
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
    AnalogOptimizer(model.parameters(), lr=lr).step()
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
    """``set_weights(get_weights())`` does not change a layer, with or without learned scale."""
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


@dataclasses.dataclass
class Training:
    """A layer with its optimiser and the only batch of a vector."""

    vector: Vector

    def __post_init__(self) -> None:
        self.model = analog(self.vector, digital_layer(self.vector))
        self.layer = only_layer(self.model)
        self.start = self.layer.algorithm.weight.clone()
        rates = {name: self.vector[name] for name in ("momentum", "weight_decay") if name in self.vector}
        self.optimizer = AnalogOptimizer(
            self.model.parameters(),
            lr=self.vector.get("lr", 0.1),
            digital=functools.partial(torch.optim.SGD, **rates),
            keep_pairs=self.vector["kind"] == "exact",
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
        return [d.dense() for _, d in self.layer.weight.pairs]


def optimizer(vector: Vector) -> list[str]:
    """Compares the update of the tile. The vector's id has the scenario. With an expected change, it takes one step."""
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
    training.layer.algorithm.update = lambda x, d, lr: received.append(d.dense())  # type: ignore[method-assign]
    layer = digital_layer(vector)
    bias = nn.Parameter(torch.zeros(layer.out_features))  # type: ignore[arg-type]
    scaler = torch.amp.GradScaler("cpu", init_scale=vector["loss_scale"])
    optimizer = AnalogOptimizer([*training.model.parameters(), bias], lr=1.0)
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
