"""Replay vectors of the training algorithms.

A deterministic vector is compared after every step. A statistical one is run many times. If possible, many copies share
one tall array, in which every copy has its own samples: see :class:`StackedTile`. Parameters have aihwkit's names. A
parameter that a vector leaves out has aihwkit's default, not ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn

from resbench.algorithms import (
    AGAD,
    Algorithm,
    AnalogSGD,
    ChoppedTikiTaka,
    MixedPrecision,
    ResidualLearning,
    TikiTaka,
    TikiTakaV2,
)
from resbench.algorithms.schedules import WarmStart
from resbench.crossbar import devices
from resbench.crossbar.devices import Device
from resbench.crossbar.periphery import PERFECT, IOParameters
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import Rows, rows_of
from resbench.crossbar.tile import DEFAULT_PULSES, Tile
from tests.conformance.result import CannotInterpret, Result, result_of

Vector = dict[str, Any]
Parameters = dict[str, Any]
Run = Callable[[Algorithm, int], Iterator[None]]

RUNS = 2000  # the tolerances of the vectors are made for this number
SLOW_RUNS = 500  # if copies cannot share an array, or make thousands of steps
STACK = 100  # copies in one tall array
NOISELESS = dict.fromkeys(
    ("dw_min_dtod", "dw_min_std", "w_max_dtod", "w_min_dtod", "up_down_dtod", "reset_std", "reset_dtod"), 0.0
)
MANAGED = {"desired_bl": 31, "update_management": True, "update_bl_management": True}
ONE_PULSE = {"desired_bl": 1, "update_management": False, "update_bl_management": False}
CLOSED_LOOP = "2*(visible*x-target)*x"


def replay(document: dict[str, Any]) -> list[Result]:
    """The results of all vectors of a document."""
    kinds = {"deterministic": deterministic, "statistical": statistical}
    return [result_of(vector, lambda vector: kinds[vector["kind"]](vector)) for vector in document["vectors"]]


def deterministic(vector: Vector) -> list[str]:
    """Complaints about the first step with a wrong value. The seed must not matter."""
    algorithm = build(vector, seed=1)
    expectations = vector["expected_after_each_step"]
    for number, (_, expected) in enumerate(zip(run(vector, algorithm), expectations, strict=True), start=1):
        complaints = []
        for name, values in expected.items():
            error = (state(algorithm, name, copies=1)[0] - torch.tensor(values["mean"])).abs().max().item()
            if not error <= vector["tolerance"]:
                complaints.append(f"step {number}: {name} is off by {error:.3g}")
        if complaints:
            return complaints
    return []


def statistical(vector: Vector) -> list[str]:
    """Complaints about means and standard deviations over many runs after the last step."""
    stack = STACK if can_stack(vector) else 1
    runs = SLOW_RUNS if stack == 1 or vector.get("closed_loop") else RUNS
    expected = vector["expected_after_last_step"]
    samples: dict[str, list[Tensor]] = {name: [] for name in expected}
    for seed in range(runs // stack):
        algorithm = build(vector, seed, stack)
        for _ in run(vector, algorithm, stack):
            pass
        for name, values in samples.items():
            values.append(state(algorithm, name, stack))
    complaints = []
    for name, want in expected.items():
        found = torch.cat(samples[name]).double()
        for measure, value in (("mean", found.mean(dim=0)), ("std", found.std(dim=0))):
            off = (value - torch.tensor(want[measure])).abs() / torch.tensor(want[f"{measure}_tol"])
            if not off.max() <= 1:
                complaints.append(f"{name}: {measure} is off by {off.max():.2f} tolerances")
    return complaints


# -- running a vector --------------------------------------------------------------------------------------------------


def build(vector: Vector, seed: int, copies: int = 1) -> Algorithm:
    """The algorithm of a vector on programmed tiles, with ``copies`` of it above each other."""
    shape = (vector["shape"]["out"] * copies, vector["shape"]["in"])
    algorithm = algorithm_of(vector).build(
        shape, [device_of(spec) for spec in vector["devices"]], Stream.from_seed(seed)
    )
    if copies > 1:
        tiles = [StackedTile(tile.device, tile.shape, tile.stream, copies) for tile in algorithm.tiles]
        algorithm.tiles = nn.ModuleList(tiles)  # type: ignore[assignment]
    weights = vector.get("initial_weights")
    algorithm.program(torch.tensor(weights).repeat(copies, 1) if weights is not None else torch.zeros(shape))
    return algorithm


def run(vector: Vector, algorithm: Algorithm, copies: int = 1) -> Iterator[None]:
    """Make the steps of a vector one by one."""
    if vector.get("closed_loop"):
        loop = vector["closed_loop"]
        if loop["d"] != CLOSED_LOOP:
            raise CannotInterpret(f"d = {loop['d']}")
        x = torch.tensor([[loop["x"]]])
        for _ in range(loop["n_steps"]):
            d = 2 * (algorithm.weight * loop["x"] - loop["target"]) * loop["x"]
            algorithm.step([(x, d.T)], loop["lr"])
            yield
        return
    for step in vector["steps"]:
        if step.get("switch_flag") is not None:
            cast(WarmStart, cast(ResidualLearning, algorithm).schedule).flag = bool(step["switch_flag"])
        algorithm.step([(torch.tensor(step["x"]), torch.tensor(step["d"]).repeat(1, copies))], step["lr"])
        yield


def state(algorithm: Algorithm, name: str, copies: int) -> Tensor:
    """A quantity by the name of the vectors, float32 ``[copies, out, in]``."""
    kind, _, index = name.partition("_")
    if name == "visible":
        values = algorithm.weight
    elif kind == "tile":
        values = algorithm.tiles[int(index)].weight
    elif kind == "buffer":
        values = algorithm.get_buffer(name if isinstance(algorithm, TikiTakaV2) else "buffer")
    else:
        values = algorithm.get_buffer({"chi": "chi", "running_mean": "mean", "past_mean": "reference"}[name])
    return values.reshape(copies, -1, values.shape[1]).clone()


class StackedTile(Tile):
    """One tall array of independent copies of an array, above each other.

    A sample drives every copy in a train of its own: it becomes one sample for each copy, whose d is zero outside the
    rows of that copy. Bit lengths and scales come from that copy alone, bits are drawn for each sample, and rows of
    zeros never fire, so the copies are independent while the tall array needs few calls.
    """

    def __init__(self, device: Device, shape: tuple[int, int], stream: Stream, copies: int) -> None:
        super().__init__(device, shape, stream)
        self.copies = copies

    def update(
        self,
        x: Tensor | Rows,
        d: Tensor | Rows,
        lr: float,
        pulses: PulseTrain = DEFAULT_PULSES,
        granularity: float | None = None,
    ) -> None:
        inputs, errors = rows_of(x).dense(), rows_of(d).dense()
        parts = errors.reshape(len(errors), self.copies, -1)
        sample, copy = parts.any(dim=2).nonzero(as_tuple=True)
        alone = torch.zeros(len(sample), *parts.shape[1:], dtype=errors.dtype)
        alone[torch.arange(len(sample)), copy] = parts[sample, copy]
        super().update(inputs[sample], alone.flatten(1), lr, pulses, granularity)


def can_stack(vector: Vector) -> bool:
    """Whether copies can share one tall array: the algorithm draws nothing itself, and uses no size of its array."""
    p = vector["parameters"]
    random_signs = vector["algorithm"] == "c_tt_v2" and p.get("in_chop_random", True) and p.get("in_chop_prob", 0.1) > 0
    random_signs |= vector["algorithm"] == "agad" and p.get("in_chop_random", False)
    random_rounding = bool(p.get("n_x_bins")) and p.get("stoc_round_x", True)
    random_lines = bool(p.get("random_selection") or p.get("random_row")) or 0 < p.get("with_reset_prob", 0) < 1
    by_rows = not p.get("transfer_columns", True) or p.get("n_rows_per_transfer", -1) > 0
    by_size = len(vector["devices"]) > 2 and "transfer_every_vec" not in p
    return not (random_signs or random_rounding or random_lines or by_rows or by_size)


# -- reading a vector --------------------------------------------------------------------------------------------------


def device_of(spec: dict[str, Any]) -> Device:
    """A device without spread and noise, except for those that the vector names."""
    fields = dict(spec)
    kind: type[Device] = getattr(devices, fields.pop("kind"))
    return kind(**(NOISELESS | fields))


def algorithm_of(vector: Vector) -> Algorithm:
    """The algorithm with the parameters of a vector. All parameters must be known."""
    parameters = Reader(vector)
    algorithm = READERS[vector["algorithm"]](parameters)
    parameters.finish()
    return algorithm


class Reader:
    """The parameters of a vector. Each of them must be taken once."""

    def __init__(self, vector: Vector) -> None:
        self.left = dict(vector["parameters"])
        self.tiles = len(vector["devices"])
        self.variant = vector.get("variant")
        self.pulses = PulseTrain(**vector.get("update", MANAGED))

    def take(self, name: str, default: Any) -> Any:
        """A parameter, or its default in aihwkit."""
        return self.left.pop(name, default)

    def take_renamed(self, names: dict[str, tuple[str, Any]]) -> Parameters:
        """Parameters by our names, from aihwkit's names and defaults."""
        return {ours: self.take(theirs, default) for ours, (theirs, default) in names.items()}

    def expect(self, name: str, *values: Any) -> None:
        """Take a parameter that has no effect here with these values, or with any value if there are none."""
        found = self.left.pop(name, values[0] if values else None)
        if values and found not in values:
            raise CannotInterpret(f"{name} = {found}")

    def finish(self) -> None:
        """Refuse parameters that were not taken."""
        if self.left:
            raise CannotInterpret(f"parameters {sorted(self.left)}")

    def variants(self, names: dict[str | None, Any]) -> Any:
        """Parameters of a variant."""
        if self.variant not in names:
            raise CannotInterpret(f"variant {self.variant}")
        return names[self.variant]

    def transfers(self, units_in_mbatch: bool, transfer_pulses: Parameters) -> Parameters:
        """Parameters of all algorithms with transfers."""
        self.expect("no_self_transfer")
        io = self.take("transfer_io", "default")
        peer_io = {"perfect": PERFECT, "default": IOParameters()}
        fast_lr = self.take("fast_lr", 1.0)
        return {
            "fast_lr": fast_lr if fast_lr > 0 else None,
            "transfer_every": self.take("transfer_every", 1.0),
            "transfer_lr": self.take("transfer_lr", 1.0),
            "scale_transfer_lr": self.take("scale_transfer_lr", True),
            "units_in_mbatch": self.take("units_in_mbatch", units_in_mbatch),
            "n_reads_per_transfer": self.take("n_reads_per_transfer", 1),
            "transfer_io": peer_io[io] if isinstance(io, str) else IOParameters(**io),
            "pulses": self.pulses,
            "transfer_pulses": PulseTrain(**self.take("transfer_update", transfer_pulses)),
        }

    def chain(self, transfer_pulses: Parameters) -> Parameters:
        """Parameters of chains of tiles. A vector ``*_vec`` replaces the rule for one number."""
        parameters = self.transfers(True, transfer_pulses)
        parameters["gamma"] = self.take("gamma", 0.0)
        for name in ("gamma", "transfer_every", "transfer_lr"):
            parameters[name] = self.take(f"{name}_vec", []) or parameters[name]
        return parameters | {"tiles": self.tiles}


def analog_sgd(reader: Reader) -> Algorithm:
    return AnalogSGD(reader.pulses)


def tiki_taka(reader: Reader) -> Algorithm:
    return TikiTaka(
        transfer_columns=reader.take("transfer_columns", True),
        random_selection=reader.take("random_selection", False),
        with_reset_prob=reader.take("with_reset_prob", 0.0),
        order=reader.variants({None: "cpu", "cuda": "gpu"}),
        **reader.chain(MANAGED),
    )


def tiki_taka_v2(reader: Reader) -> Algorithm:
    return TikiTakaV2(
        transfer_columns=reader.take("transfer_columns", True),
        random_selection=reader.take("random_selection", False),
        thres_scale=reader.take("thres_scale", 1.0),
        step=reader.take("step", 1.0),
        momentum=reader.take("momentum", 0.1),
        forget_buffer=reader.take("forget_buffer", True),
        order=reader.variants({None: "cpu", "cuda": "gpu"}),
        **reader.chain(ONE_PULSE),
    )


def _choppers(reader: Reader) -> Parameters:
    reader.expect("gamma", 0)
    reader.expect("gamma_vec", [], [0, 1])
    reader.expect("random_selection", False)
    reader.expect("thres_scale")
    names = ("buffer_granularity", "auto_granularity", "auto_momentum", "momentum", "step")
    defaults = (1.0, 0.0, 0.99, 0.0, 1.0)
    return {
        "transfer_columns": reader.take("transfer_columns", True),
        "in_chop_prob": reader.take("in_chop_prob", 0.1),
        "auto_scale": reader.take("auto_scale", False),
        "correct_gradient_magnitudes": reader.take("correct_gradient_magnitudes", False),
        "forget_buffer": reader.take("forget_buffer", True),
        **{name: reader.take(name, default) for name, default in zip(names, defaults, strict=True)},
        **reader.transfers(False, ONE_PULSE),
    }


def chopped(reader: Reader) -> Algorithm:
    return ChoppedTikiTaka(
        in_chop_random=reader.take("in_chop_random", True),
        out_chop_prob=reader.take("out_chop_prob", 0.0),
        no_buffer=reader.take("no_buffer", False),
        **_choppers(reader),
    )


def agad(reader: Reader) -> Algorithm:
    return AGAD(
        in_chop_random=reader.take("in_chop_random", False),
        tail_weightening=reader.take("tail_weightening", 5.0),
        buffer_cap=reader.take("buffer_cap", 0.0),
        **_choppers(reader),
    )


def mixed_precision(reader: Reader) -> Algorithm:
    rows = reader.take("n_rows_per_transfer", -1)
    return MixedPrecision(
        transfer_every=reader.take("transfer_every", 1),
        transfer_at=reader.variants({None: "first_vector", "cuda": "batch_end"}),
        transfer_lr=reader.take("transfer_lr", 1.0),
        n_rows_per_transfer=rows if rows > 0 else None,
        random_row=reader.take("random_row", False),
        granularity=reader.take("granularity", 0.0),
        n_x_bins=reader.take("n_x_bins", 0),
        n_d_bins=reader.take("n_d_bins", 0),
        stoc_round_x=reader.take("stoc_round_x", True),
        stoc_round_d=reader.take("stoc_round_d", True),
        pulses=reader.pulses,
    )


def residual_learning(reader: Reader) -> Algorithm:
    schedules = {None: "chain", "forkcpu": "released-cpu", "forkcuda": "released-gpu"}
    return ResidualLearning(schedule=reader.variants(schedules), **reader.chain(MANAGED))


READERS: dict[str, Callable[[Reader], Algorithm]] = {
    "analog_sgd": analog_sgd,
    "tiki_taka_v1": tiki_taka,
    "tt_v2_buffered": tiki_taka_v2,
    "tt_v2_chopped_class": chopped,
    "c_tt_v2": chopped,
    "agad": agad,
    "mixed_precision": mixed_precision,
    "residual_learning": residual_learning,
}
