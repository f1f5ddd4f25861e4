"""Checks that every training algorithm has to pass; ``resbench check my_module.MyAlgorithm`` runs them on any class.

A check takes the algorithm as a config makes it, with hyper-parameters only, and raises :class:`BrokenContractError`
with what is wrong in plain words; its docstring is its name in the report. The tests of this package run the same
checks on every algorithm that it exports.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
import io
import math
import pickle
import random
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from resbench.algorithms.base import Algorithm
from resbench.crossbar.devices import Device, Drift, Ideal, SoftBounds
from resbench.crossbar.randomness import Stream

SHAPES = ((3, 4), (1, 1), (1, 5), (5, 1), (4, 9))
STEPS = 12
COARSE = SoftBounds(states=10, w_max=1.0, w_min=-1.0)
FADING = SoftBounds(states=100, w_max=1.0, w_min=-1.0, lifetime=20.0)
CONTINUOUS = SoftBounds(
    states=math.inf, w_max=1.0, w_min=-1.0,
    dw_min_dtod=0.0, w_max_dtod=0.0, w_min_dtod=0.0, up_down_dtod=0.0,
)  # fmt: skip
DRIFTING = dataclasses.replace(CONTINUOUS, drift=Drift(nu=0.1))


class BrokenContractError(Exception):
    """An algorithm does not do what it has to."""


@dataclass(frozen=True)
class Outcome:
    """Result of one check: its name, and the complaint if it failed."""

    check: str
    complaint: str | None


def outcomes(algorithm: Algorithm) -> Iterator[Outcome]:
    """Run every check on an algorithm; an unexpected error of the algorithm counts as a complaint."""
    for check in CHECKS:
        name = str(check.__doc__).rstrip(".")
        try:
            check(algorithm)
        except BrokenContractError as complaint:
            yield Outcome(name, str(complaint))
        except Exception as error:  # whatever a stranger's class raises is its result
            yield Outcome(name, f"{type(error).__name__}: {error}{_where(error, algorithm)}")
        else:
            yield Outcome(name, None)


def _where(error: Exception, algorithm: Algorithm) -> str:
    """Where in the file of an algorithm's class an error came up, if it was there."""
    own = inspect.getsourcefile(type(algorithm))
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == own]
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno}, in {frames[-1].name})" if frames else ""


# -- a small problem to train on ---------------------------------------------------------------------------------------


def demand(condition: bool, complaint: str) -> None:
    """Raise :class:`BrokenContractError` unless the condition holds."""
    if not condition:
        raise BrokenContractError(complaint)


def made(algorithm: Algorithm, shape: tuple[int, int] = SHAPES[0], device: Device = COARSE, seed: int = 1) -> Algorithm:
    """The algorithm on tiles, with weights."""
    built = algorithm.build(shape, device, Stream.from_seed(seed))
    built.program(0.4 * torch.sin(torch.arange(math.prod(shape), dtype=torch.float32)).reshape(shape))
    return built


def train(algorithm: Algorithm, first: int = 0, last: int = STEPS, lr: float = 0.3) -> Algorithm:
    """Steps ``first`` to ``last`` of a least-squares problem; three make an epoch, and the loss that is told rises."""
    for step in range(first, last):
        inputs, target = problem(algorithm, step)
        error = inputs @ (algorithm.weight - target).T
        algorithm.step([(inputs, error / len(inputs))], lr)
        if algorithm.reads_batch_loss:
            algorithm.on_batch_end(1.0 + step)
        if step % 3 == 2:
            algorithm.on_epoch_end(1.0 + step)
    return algorithm


def problem(algorithm: Algorithm, step: int) -> tuple[Tensor, Tensor]:
    """Inputs ``[8, in]`` of a step (fewer in every fifth), and the weight ``[out, in]`` that solves the problem."""
    generator = torch.Generator().manual_seed(step)
    inputs = torch.randn(3 if step % 5 == 4 else 8, algorithm.shape[1], generator=generator)
    target = torch.rand(algorithm.shape, generator=torch.Generator().manual_seed(99)) - 0.5
    return inputs.to(algorithm.weight.dtype), target.to(algorithm.weight.dtype)


def saved(algorithm: Algorithm) -> dict[str, Any]:
    """The state as a checkpoint file holds it."""
    file = io.BytesIO()
    torch.save(algorithm.state_dict(), file)
    file.seek(0)
    state: dict[str, Any] = torch.load(file, weights_only=True)
    return state


def differing(one: Algorithm, other: Algorithm) -> list[str]:
    """Names of what is not equal bit for bit in two algorithms."""
    ours, theirs = one.state_dict(), other.state_dict()
    names = [name for name in ours.keys() | theirs.keys() if not _equal(ours.get(name), theirs.get(name))]
    return sorted(names) + ([] if torch.equal(one.weight, other.weight) else ["weight"])


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one.nan_to_num(), other.nan_to_num())
    return bool(one == other)


def _global_generators() -> bytes:
    return pickle.dumps((torch.random.get_rng_state().tolist(), random.getstate(), np.random.get_state()))  # noqa: NPY002


# -- the checks --------------------------------------------------------------------------------------------------------


def is_documented(algorithm: Algorithm) -> None:
    """Says what it is and where it is from."""
    demand(
        bool(inspect.getdoc(type(algorithm))), "the class has no docstring; its first line is shown by `resbench list`"
    )
    citation = getattr(algorithm, "citation", "")
    demand(isinstance(citation, str) and citation != "", "`citation` is missing; write where the algorithm is from")


def has_plain_arguments(algorithm: Algorithm) -> None:
    """Can be written in a YAML file."""
    for name, argument in list(inspect.signature(type(algorithm).__init__).parameters.items())[1:]:
        demand(
            argument.kind not in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD),
            f"__init__ takes *{name}: a YAML file cannot name what is in it; write out the arguments",
        )
        demand(argument.annotation is not argument.empty, f"argument {name} of __init__ has no type")
        demand(
            argument.default is argument.empty or _is_plain(argument.default),
            f"argument {name} of __init__ has the default {argument.default!r}, which no file holds; write null, a "
            "number, a string, or a dataclass of such",
        )


def _is_plain(value: Any) -> bool:
    """Whether a file can hold a value and give it again."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(_is_plain, value.values()))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return all(_is_plain(getattr(value, field.name)) for field in dataclasses.fields(value))
    return type(value) in (type(None), bool, int, float, str)


def builds_for_every_shape(algorithm: Algorithm) -> None:
    """Builds and trains for every shape of layer."""
    for shape in SHAPES:
        built = train(made(algorithm, shape))
        demand(built.weight.shape == shape, f"the weight of shape {tuple(built.weight.shape)} should be {shape}")
        demand(bool(built.weight.isfinite().all()), f"the weight of shape {shape} is not finite after {STEPS} steps")


def serves_many_layers(algorithm: Algorithm) -> None:
    """Serves many layers from one config."""
    first, second = made(algorithm, seed=1), made(algorithm, seed=2)
    before = copy.deepcopy(second)
    train(first)
    demand(len(algorithm.tiles) == 0, "build() put tiles on the algorithm of the config; it must return a copy")
    found = differing(second, before)
    demand(not found, f"training one layer changed another: {', '.join(found)}")


def holds_its_weight(algorithm: Algorithm) -> None:
    """Holds the weight that it is given."""
    for device in (Ideal(), CONTINUOUS):
        built = made(algorithm, device=device)
        wanted = torch.full(SHAPES[0], 0.25)
        wanted[0, 0] = -0.5
        built.program(wanted)
        error = (built.weight - wanted).abs().max().item()
        demand(error < 1e-5, f"program() on {type(device).__name__} leaves the weight off by {error:.3g}")


def shows_the_current_weight(algorithm: Algorithm) -> None:
    """Shows the current weight."""
    for device in (FADING, COARSE):  # with and without a change of every cell at the end of a step
        built = made(algorithm, device=device)
        for step in range(STEPS):
            train(built, step, step + 1)
            shown = built.weight.clone()
            for _, _, tile in built.named_tiles():
                tile.touch(None)
            built.compose()
            demand(
                torch.equal(shown, built.weight),
                f"after step {step + 1} the weight is not what the tiles hold; change them by their methods",
            )


def keeps_the_weight_in_place(algorithm: Algorithm) -> None:
    """Keeps the weight in one place in memory."""
    built = made(algorithm)
    held = built.weight.detach()  # as long as it is held, nothing else comes to its address
    state = saved(train(built))
    built.program(torch.zeros(SHAPES[0]))
    built.load_state_dict(state)
    demand(
        built.weight.data_ptr() == held.data_ptr(),
        "the weight moved in memory, where its layer does not find it; change tensors in place (copy_, add_)",
    )
    demand(not built.weight.requires_grad, "the weight requires a gradient; autograd has no part in it")


def keeps_tensors_in_buffers(algorithm: Algorithm) -> None:
    """Keeps tensors in buffers."""
    built = train(made(algorithm))
    loose = [name for name, value in vars(built).items() if isinstance(value, Tensor)]
    demand(not loose, f"{', '.join(loose)}: no buffer, so no checkpoint and no .to(device); use register_buffer")
    built.double()
    train(built)
    demand(built.weight.dtype == torch.float64, "the weight does not follow .double()")


def leaves_its_inputs_alone(algorithm: Algorithm) -> None:
    """Leaves x and d alone."""
    built = made(algorithm)
    inputs, errors = torch.ones(5, SHAPES[0][1]), torch.full((5, SHAPES[0][0]), 0.5)
    built.step([(inputs, errors)], 0.1)
    demand(
        torch.equal(inputs, torch.ones_like(inputs)) and torch.equal(errors, torch.full_like(errors, 0.5)),
        "update() changed x or d in place",
    )


def is_deterministic(algorithm: Algorithm) -> None:
    """Same seed, same bits."""
    before = _global_generators()
    one, other = train(made(algorithm)), train(made(algorithm))
    found = differing(one, other)
    demand(not found, f"the same seed gave different {', '.join(found)}")
    demand(
        before == _global_generators(),
        "it draws from a global random generator, which no checkpoint holds; draw from self.stream",
    )
    demand(bool(differing(one, train(made(algorithm, seed=2)))), "another seed gave the same training")


def resumes_bit_for_bit(algorithm: Algorithm) -> None:
    """Resumes from a checkpoint bit for bit."""
    whole = made(algorithm)
    states = [saved(train(whole, step, step + 1)) for step in range(STEPS)]
    for step, state in enumerate(states, start=1):
        resumed = algorithm.build(SHAPES[0], COARSE, Stream.from_seed(1))
        resumed.load_state_dict(state)
        found = differing(train(resumed, step), whole)
        demand(
            not found,
            f"a run resumed after step {step} of {STEPS} differs in {', '.join(found)}: what changes must be a buffer, "
            "or a number or list named in `counters`",
        )


def survives_copies(algorithm: Algorithm) -> None:
    """Survives copy.deepcopy and pickle."""
    original = train(made(algorithm), last=STEPS // 2)
    copies: dict[str, Algorithm] = {
        "copy.deepcopy": copy.deepcopy(original),
        "pickle": pickle.loads(pickle.dumps(original)),
    }
    train(original, STEPS // 2)
    for how, twin in copies.items():
        found = differing(train(twin, STEPS // 2), original)
        demand(not found, f"a copy made by {how} trains on differently: {', '.join(found)}")


def starts_anew_when_programmed(algorithm: Algorithm) -> None:
    """Starts anew when it is programmed."""
    built = train(made(algorithm, device=CONTINUOUS))
    built.program(torch.zeros(SHAPES[0]))
    fresh = algorithm.build(SHAPES[0], CONTINUOUS, Stream.from_seed(1))
    fresh.program(torch.zeros(SHAPES[0]))
    ours, theirs = built.get_extra_state(), fresh.get_extra_state()
    left = [name for name, value in ours.items() if name != "steps" and value != theirs[name]]
    left += [name for name, memory in built.named_buffers(recurse=False) if not _equal(memory, fresh.get_buffer(name))]
    demand(not left, f"program() leaves {', '.join(left)} of the training before; put it back in start()")


def learns(algorithm: Algorithm) -> None:
    """Learns least squares."""
    rates = (1.0, 0.3, 0.1, 0.03)
    shares = []
    for rate in rates:
        built = made(algorithm, device=CONTINUOUS)
        target = problem(built, 0)[1]
        before = (built.weight - target).square().sum()
        train(built, last=300, lr=rate)
        shares.append(((built.weight - target).square().sum() / before).item())
        if shares[-1] < 0.5:
            return
    raise BrokenContractError(
        "least squares on a device without granularity, 300 steps: the squared error should halve for one of the "
        f"rates {rates}, it is multiplied by {', '.join(f'{share:.2g}' for share in shares)}"
    )


def rests_without_gradient(algorithm: Algorithm) -> None:
    """Rests while gradients are zero."""
    built = made(algorithm)
    before = built.weight.clone()
    for _ in range(STEPS):
        built.step([(torch.ones(4, SHAPES[0][1]), torch.zeros(4, SHAPES[0][0]))], 0.3)
    pulses = sum(int(tile.pulses_up.sum() + tile.pulses_down.sum()) for _, _, tile in built.named_tiles())
    demand(pulses == 0, f"{pulses} pulses for gradients of zero; only noisy transfer reads may cause some")
    demand(torch.equal(built.weight, before), "the weight moves while all gradients are zero")


def counts_pulses_and_steps(algorithm: Algorithm) -> None:
    """Counts pulses and steps."""
    built = made(algorithm)
    before = [tile.weight.clone() for _, _, tile in built.named_tiles()]
    train(built)
    demand(built.steps == STEPS, f"`steps` is {built.steps} after {STEPS} steps")
    pulsed = 0
    for (name, _, tile), weight in zip(built.named_tiles(), before, strict=True):
        counted = (tile.pulses_up > 0) | (tile.pulses_down > 0)
        demand(not bool(((tile.weight != weight) & ~counted).any()), f"weights of tile {name} moved without a pulse")
        pulsed += int(counted.sum())
    demand(pulsed > 0, "no device got a pulse in the whole training")


def drifts_with_its_devices(algorithm: Algorithm) -> None:
    """Drifts with its devices: pass_time changes what the tiles hold, the weight with them, and nothing else."""
    built = train(made(algorithm, device=DRIFTING), last=STEPS // 2)
    tiles = [(name, tile, tile.weight.clone()) for name, _, tile in built.named_tiles()]
    own = {name: held.clone() for name, held in built.named_buffers(recurse=False) if name != "composite"}
    built.pass_time(1000.0)
    for name, tile, held in tiles:
        demand(
            torch.allclose(tile.weight, held * 1000**-0.1, atol=1e-6),
            f"after pass_time tile {name} does not hold w t^-nu; leave pass_time as Algorithm has it",
        )
    changed = [name for name, held in own.items() if not _equal(held, built.get_buffer(name))]
    demand(not changed, f"pass_time changes {', '.join(changed)}, which is digital and does not drift")
    shown = built.weight.clone()
    for _, tile, _ in tiles:
        tile.touch(None)
    built.compose()
    demand(torch.equal(shown, built.weight), "after pass_time the weight is not what the tiles hold; call compose()")


def reports_its_storage(algorithm: Algorithm) -> None:
    """Reports its digital storage."""
    storage = made(algorithm).digital_storage()
    wrong = [name for name, words in storage.items() if not (isinstance(words, int) and words >= 0)]
    demand(not wrong, f"digital_storage() must give whole numbers of words, not so {', '.join(wrong)}")


CHECKS: tuple[Callable[[Algorithm], None], ...] = (
    is_documented, has_plain_arguments, builds_for_every_shape, serves_many_layers, holds_its_weight,
    shows_the_current_weight, keeps_the_weight_in_place, keeps_tensors_in_buffers, leaves_its_inputs_alone,
    is_deterministic, resumes_bit_for_bit, survives_copies, starts_anew_when_programmed, learns,
    rests_without_gradient, counts_pulses_and_steps, drifts_with_its_devices, reports_its_storage,
)  # fmt: skip
