"""Every exported algorithm keeps the contract, in every mode that changes what it stores; broken ones are found out."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from resbench import algorithms
from resbench.algorithms import (
    AGAD,
    ERIDER,
    Algorithm,
    AnalogSGD,
    ChoppedTikiTaka,
    MixedPrecision,
    Plateau,
    ResidualLearning,
    TikiTaka,
    TikiTakaV2,
)
from resbench.algorithms.contract import CHECKS, made, outcomes, resumes_bit_for_bit, survives_copies, train
from resbench.algorithms.schedules import WarmStart
from resbench.crossbar.periphery import IOParameters
from resbench.crossbar.rows import Rows, outer_sum

EXPORTED: list[type[Algorithm]] = [
    member
    for name, member in sorted(vars(algorithms).items())
    if inspect.isclass(member) and issubclass(member, Algorithm) and not inspect.isabstract(member)
]
TRAINED = [kind for kind in EXPORTED if not kind.digital]
EVERY_BATCH = Plateau(every="batch", threshold=0.0, smooth_threshold=0.0, eager_switches=1, clear_history=False)
EVERY_EPOCH = Plateau(clear_history=False)
MODES = {
    "noisy reads": TikiTaka(transfer_io=IOParameters(), gamma=0.5, tiles=3, transfer_every=1.0, fast_lr=0.1),
    "resets": TikiTaka(with_reset_prob=0.5, random_selection=True, n_reads_per_transfer=2),
    "buffers of a chain": TikiTakaV2(tiles=3, gamma=0.5, transfer_every=[0.5, 1.0, 0.0], units_in_mbatch=True),
    "rows": TikiTakaV2(transfer_columns=False, units_in_mbatch=False, forget_buffer=False),
    "random signs": ChoppedTikiTaka(in_chop_prob=0.5, out_chop_prob=0.5, units_in_mbatch=False),
    "random signs, dynamic reference": AGAD(in_chop_prob=0.5, in_chop_random=True, units_in_mbatch=False),
    "random rounding": MixedPrecision(n_x_bins=4, n_d_bins=4, transfer_at="first_vector", random_row=True),
    "a digital optimiser": MixedPrecision(optimizer=torch.optim.AdamW),
    "a digital optimiser with momentum": MixedPrecision(optimizer=partial(torch.optim.SGD, momentum=0.9)),
    "random signs of a residual tile": ERIDER(chop_prob=0.5, n_reads_per_transfer=2),
    "warm start, batches": ResidualLearning(schedule="paper", plateau=EVERY_BATCH, count="local"),
    "warm start, epochs": ResidualLearning(schedule="released-cpu", transfer_every_growth=1.0, plateau=EVERY_EPOCH),
    "warm start, gpu": ResidualLearning(schedule="released-gpu", transfer_every_growth=1.0, plateau=EVERY_EPOCH),
}


def test_there_are_algorithms_and_each_states_what_it_is() -> None:
    assert {AnalogSGD, TikiTaka, TikiTakaV2, ChoppedTikiTaka, AGAD, MixedPrecision, ResidualLearning} <= set(TRAINED)
    assert all(kind.__doc__ and kind.citation for kind in EXPORTED)


@pytest.mark.parametrize("kind", TRAINED)
def test_every_argument_is_documented_by_the_class_or_by_one_that_it_derives_from(kind: type[Algorithm]) -> None:
    """Where `--help` looks for it: so arguments that algorithms share are documented once."""
    text = "\n".join(vars(base).get("__doc__") or "" for base in kind.__mro__ if issubclass(base, Algorithm))
    assert not [name for name in inspect.signature(kind).parameters if f"\n        {name}: " not in text]


@pytest.mark.parametrize("kind", TRAINED)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_exported_algorithms_keep_the_contract(kind: type[Algorithm], check: Callable[[Algorithm], None]) -> None:
    check(kind())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("check", [resumes_bit_for_bit, survives_copies], ids=lambda check: check.__name__)
def test_every_mode_survives_interruption(mode: str, check: Callable[[Algorithm], None]) -> None:
    check(MODES[mode])


def test_interruptions_fall_where_there_is_something_to_lose() -> None:
    """What the two tests above rely on: digital memory is filled, and warm starts are in their middle, when cut."""
    for mode in ("buffers of a chain", "rows", "random signs", "random rounding", "a digital optimiser"):
        built = train(made(MODES[mode]))
        assert all(memory.any() for memory in dict(built.named_buffers(recurse=False)).values()), mode
    stages = {mode: set[int]() for mode in MODES if mode.startswith("warm start")}
    for mode, seen in stages.items():
        built = made(MODES[mode])
        assert isinstance(built, ResidualLearning)
        for step in range(12):
            train(built, step, step + 1)
            assert isinstance(built.schedule, WarmStart)
            seen.add(built.schedule.target)
    assert all(len(seen) > 2 for seen in stages.values()), stages


# -- algorithms that break the contract, each in its own way ---------------------------------------------------------


class Sound(Algorithm):
    """One tile, and an average of the gradients."""

    citation = "none"

    def allocate(self) -> None:
        self.add_tile("W")
        self.register_buffer("memory", torch.zeros(self.shape))

    def start(self) -> None:
        self.get_buffer("memory").zero_()

    def update(self, x: Rows, d: Rows, lr: float) -> None:
        memory = self.get_buffer("memory")
        memory.mul_(0.5).addmm_(d.dense().T, x.dense(), alpha=0.5)
        self.tiles[0].update(torch.eye(x.shape[1], dtype=x.dtype), memory.T.contiguous(), lr)


class WithoutCitation(Sound):
    citation = ""


class TakesAnything(Sound):
    def __init__(self, **rates: float) -> None:
        super().__init__()


class SquareOnly(Sound):
    def update(self, x: Rows, d: Rows, lr: float) -> None:
        super().update(x, d, lr)
        self.get_buffer("memory").add_(0 * d.dense().T @ d.dense())


class SharesState(Sound):
    shared: ClassVar[dict[tuple[int, int], Tensor]] = {}

    def allocate(self) -> None:
        super().allocate()
        self.memory = self.shared.setdefault(self.shape, self.get_buffer("memory"))


class HalvesItsWeight(Sound):
    def place(self, weight: Tensor) -> None:
        super().place(weight / 2)


class StaleWeight(Sound):
    def allocate(self) -> None:
        super().allocate()
        self.add_tile("V", 0.5)

    def update(self, x: Rows, d: Rows, lr: float) -> None:
        super().update(x, d, lr)
        self.tiles[1].weight.mul_(0.5)


class MovesItsWeight(Sound):
    def update(self, x: Rows, d: Rows, lr: float) -> None:
        super().update(x, d, lr)
        self.tiles[0].weight = self.tiles[0].weight.clone()


class LooseTensor(Sound):
    def start(self) -> None:
        super().start()
        self.scratch = torch.zeros(self.shape)


class ScalesItsInputs(Sound):
    def update(self, x: Rows, d: Rows, lr: float) -> None:
        super().update(x, Rows(d.dense().mul_(2)), lr)


class DrawsGlobally(Sound):
    def update(self, x: Rows, d: Rows, lr: float) -> None:
        super().update(x, Rows(d.dense() * (1 + 0.1 * torch.rand(1))), lr)


class ForgetsItsCounter(Sound):
    def start(self) -> None:
        super().start()
        self.turns = 0

    def update(self, x: Rows, d: Rows, lr: float) -> None:
        self.turns += 1
        super().update(x, d, lr / self.turns)


class CannotBePickled(Sound):
    def start(self) -> None:
        super().start()
        self.rate = lambda lr: lr


class RemembersAfterProgramming(Sound):
    def start(self) -> None:
        pass


class Climbs(Sound):
    def update(self, x: Rows, d: Rows, lr: float) -> None:
        super().update(x, Rows(-d.dense()), lr)


class PulsesAtRest(Sound):
    def update(self, x: Rows, d: Rows, lr: float) -> None:
        super().update(x, Rows(d.dense() + 0.1), lr)


class MovesWithoutPulses(Sound):
    def update(self, x: Rows, d: Rows, lr: float) -> None:
        self.tiles[0].program(self.tiles[0].weight - lr * outer_sum(d, x))


class MeasuresInBytes(Sound):
    def digital_storage(self) -> dict[str, int]:
        return {"memory": -1}


BROKEN = {
    WithoutCitation: "Says what it is and where it is from",
    TakesAnything: "Can be written in a YAML file",
    SquareOnly: "Builds and trains for every shape of layer",
    SharesState: "Serves many layers from one config",
    HalvesItsWeight: "Holds the weight that it is given",
    StaleWeight: "Shows the current weight",
    MovesItsWeight: "Keeps the weight in one place in memory",
    LooseTensor: "Keeps tensors in buffers",
    ScalesItsInputs: "Leaves x and d alone",
    DrawsGlobally: "Same seed, same bits",
    ForgetsItsCounter: "Resumes from a checkpoint bit for bit",
    CannotBePickled: "Survives copy.deepcopy and pickle",
    RemembersAfterProgramming: "Starts anew when it is programmed",
    Climbs: "Learns least squares",
    PulsesAtRest: "Rests while gradients are zero",
    MovesWithoutPulses: "Counts pulses and steps",
    MeasuresInBytes: "Reports its digital storage",
}


def test_a_sound_algorithm_passes() -> None:
    assert not [outcome for outcome in outcomes(Sound()) if outcome.complaint]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_algorithm_is_found_out(kind: type[Algorithm]) -> None:
    complaints = {outcome.check: outcome.complaint for outcome in outcomes(kind()) if outcome.complaint}
    assert BROKEN[kind] in complaints
