"""Updates of a step that a GPU starts together do what they do one after the other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from resbench import algorithms
from resbench.algorithms import Algorithm
from resbench.crossbar import kernels
from resbench.crossbar.array import DeviceArray
from resbench.crossbar.checks import Axis
from resbench.crossbar.devices import Device, ExpStep, SoftBounds
from resbench.crossbar.digital import BufferRule, sift
from resbench.crossbar.kernels.together import TOGETHER
from resbench.crossbar.pulses import ONE_PULSE, PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import Rows
from resbench.crossbar.tile import Tile
from resbench.nn import AnalogOptimizer, analog_layers, to_analog

pytest.importorskip("triton")
from resbench.crossbar.kernels import cuda, cuda_jobs
from resbench.crossbar.kernels.cuda_launch import Task
from tests.crossbar.kernels.launches import counted

HARDWARE = "cuda" if torch.cuda.is_available() else "cpu"
TRAINS: Any = {"pulses": PulseTrain(desired_bl=2), "transfer_pulses": PulseTrain(desired_bl=2)}
CHOPPED: Any = {"fast_lr": 0.5, "buffer_granularity": 0.5, "in_chop_prob": 0.5, **TRAINS}
SOFT = SoftBounds(states=10)


def trained(backend: kernels.Backend, algorithm: Algorithm) -> list[Tile]:
    """The tiles of two layers after a step, in which there are transfers."""
    kernels.use(backend)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2, bias=False), nn.Linear(2, 2, bias=False))
    to_analog(model, algorithm, SOFT)
    model = model.to(HARDWARE if backend == "cuda" else "cpu")
    optimizer = AnalogOptimizer(model.parameters(), lr=0.5)
    for _ in range(2 if isinstance(algorithm, algorithms.MixedPrecision) else 1):
        optimizer.zero_grad()
        model(torch.ones(1, 3, device=next(model.parameters()).device)).sum().backward()
        optimizer.step()
    return [tile.cpu() for _, layer in analog_layers(model) for tile in layer.algorithm.tiles]


@pytest.mark.parametrize(
    "algorithm",
    [
        algorithms.ResidualLearning(tiles=3, transfer_every=[1, 1, 1], transfer_lr=9.0, **TRAINS),
        algorithms.TikiTaka(fast_lr=0.5, transfer_lr=9.0, with_reset_prob=1.0, **TRAINS),
        algorithms.TikiTaka(fast_lr=0.5, transfer_lr=9.0, transfer_columns=False, n_reads_per_transfer=2, **TRAINS),
        algorithms.TikiTakaV2(3, transfer_every=[1, 1, 1], fast_lr=0.5, thres_scale=0.05, n_reads_per_transfer=3),
        algorithms.MixedPrecision(granularity=0.05),
    ],
    ids=["chain", "reset", "rows", "buffers", "mixed precision"],
)
def test_transfers_read_what_was_pulsed_before(algorithm: Algorithm) -> None:
    tiles, truth = trained("cuda", algorithm), trained("reference", algorithm)
    for tile, expected in zip(tiles, truth, strict=True):
        assert torch.equal(tile.pulses_up, expected.pulses_up)
        assert torch.equal(tile.pulses_down, expected.pulses_down)
        torch.testing.assert_close(tile.weight, expected.weight, atol=2e-6, rtol=0)
        assert (tile.updates, tile.transfers_in) == (expected.updates, expected.transfers_in)
        assert tile.slots == expected.slots > 0


def assert_part_of_state(name: str, found: Any, expected: Any, hardware: str = HARDWARE) -> None:
    """A part of a state is that of the reference; where it follows matrix products, up to rounding on a GPU.

    A GPU sums in another order than a CPU, and fuses products into sums. Pulses, signs and counters are equal all the
    same. On a CPU everything has the same bits.
    """
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), name
        for key, value in expected.items():
            assert_part_of_state(f"{name}, {key}", found[key], value, hardware)
    elif isinstance(expected, torch.Tensor):
        if hardware == "cuda" and name in ("buffer", "mean", "reference"):
            torch.testing.assert_close(found, expected, msg=name)
        else:
            assert torch.equal(found, expected), name
    elif hardware == "cuda" and isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-6), name
    else:
        assert found == expected, name


def test_only_what_follows_products_may_round_in_another_way_on_a_gpu() -> None:
    rate = {"sweeps": 4, "last_rate": 0.20162802188182788}
    other = {"sweeps": 4, "last_rate": 0.2016280214819865}  # one that was found with fused products
    assert_part_of_state("_extra_state", other, rate, "cuda")
    buffer = torch.tensor([0.5, -1.0])
    rounded = torch.nextafter(buffer, torch.ones(2))
    assert_part_of_state("buffer", rounded, buffer, "cuda")
    wrong: list[tuple[str, Any, Any, str]] = [
        ("_extra_state", other, rate, "cpu"),
        ("_extra_state", {**rate, "last_rate": 0.20163}, rate, "cuda"),
        ("_extra_state", {**rate, "sweeps": 5}, rate, "cuda"),
        ("buffer", rounded, buffer, "cpu"),
        ("line_signs", rounded, buffer, "cuda"),
        ("tiles.1.pulses_up", torch.tensor([1]), torch.tensor([2]), "cuda"),
    ]
    for each in wrong:
        with pytest.raises(AssertionError):
            assert_part_of_state(*each)


def states(backend: kernels.Backend, algorithm: Algorithm, steps: int) -> list[dict[str, Any]]:
    """The state of two layers after some steps; it is looked at after the first of them, too."""
    kernels.use(backend)
    hardware = HARDWARE if backend == "cuda" else "cpu"
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 2, bias=False), nn.Flatten(), nn.Linear(4, 2, bias=False))
    to_analog(model, algorithm, SOFT)
    model = model.to(hardware)
    optimizer = AnalogOptimizer(model.parameters(), lr=0.5)
    for step in range(steps):
        optimizer.zero_grad()
        found = model(torch.linspace(-step, 1, 6).view(1, 1, 2, 3).to(hardware))
        (found * found.new_tensor([1.0, -0.7])).sum().backward()
        optimizer.step()
        if step == 0:
            model.state_dict()
    return [layer.cpu().algorithm.state_dict() for _, layer in analog_layers(model)]


@pytest.mark.parametrize(
    ("algorithm", "steps"),
    [
        (
            algorithms.ChoppedTikiTaka(
                gamma=0.5,
                out_chop_prob=0.5,
                n_reads_per_transfer=2,
                correct_gradient_magnitudes=True,
                momentum=0.1,
                with_reset_prob=0.5,
                **CHOPPED,
            ),
            3,
        ),
        (
            algorithms.ChoppedTikiTaka(
                out_chop_prob=0.5, auto_scale=False, no_buffer=True, transfer_columns=False, **CHOPPED
            ),
            2,
        ),
        (
            algorithms.AGAD(
                in_chop_random=True, forget_buffer=False, buffer_cap=0.2, n_reads_per_transfer=None, **CHOPPED
            ),
            4,
        ),
    ],
    ids=["c-TTv2", "c-TTv2 by rows", "AGAD"],
)
def test_chopped_gradients_have_the_signs_and_rates_of_the_reference(algorithm: Algorithm, steps: int) -> None:
    """Buffers, signs, means and rates have the same bits, on a CPU. AGAD writes in the fourth step."""
    every = zip(states("cuda", algorithm, steps), states("reference", algorithm, steps), strict=True)
    for found, truth in every:
        assert (truth["line_signs"] < 0).any()
        assert truth["tiles.1.pulses_up"].any()
        assert found.keys() == truth.keys()
        for name, expected in truth.items():
            if "weight" in name or "composite" in name:
                torch.testing.assert_close(found[name], expected, atol=2e-6, rtol=0)
            else:
                assert_part_of_state(name, found[name], expected)


@pytest.mark.parametrize(
    "algorithm",
    [
        algorithms.RIDER(track_lr=0.3, transfer_lr=9.0, **TRAINS),
        algorithms.ERIDER(chop_prob=0.5, track_lr=0.3, transfer_lr=9.0, n_reads_per_transfer=2, **TRAINS),
        algorithms.ResidualLearningV2(beta=0.4, pulses=PulseTrain(desired_bl=2)),
        algorithms.ResidualLearningV2(beta=0.6, pulses=PulseTrain(desired_bl=2)),
    ],
    ids=["RIDER", "E-RIDER", "RLv2", "RLv2, mostly the last read"],
)
def test_averages_follow_what_was_pulsed_before(algorithm: Algorithm) -> None:
    for found, truth in zip(states("cuda", algorithm, 4), states("reference", algorithm, 4), strict=True):
        assert truth["average"].any()
        assert truth["tiles.1.pulses_up"].any()
        assert found.keys() == truth.keys()
        for name, expected in truth.items():
            if isinstance(expected, torch.Tensor):
                torch.testing.assert_close(found[name], expected, atol=2e-6, rtol=0, msg=name)
            else:
                assert_part_of_state(name, found[name], expected)


def tile_of(device: Device, seed: int) -> Tile:
    return Tile(device, (2, 3), Stream.from_seed(seed)).to(HARDWARE)


def pulse(tile: Tile, sign: float = 1.0) -> None:
    """One pulse on every device."""
    ones = torch.ones(1, 5, device=HARDWARE)
    tile.update(Rows(ones[:, :3]), Rows(-sign * ones[:, :2]), 2 * tile.granularity, ONE_PULSE)


def test_pulses_wait_until_somebody_looks() -> None:
    """Devices whose pulses are the same arithmetic are pulsed together, others in a launch of their own."""
    kernels.use("cuda")
    first, second, third = tiles = [tile_of(device, 0) for device in (SOFT, SOFT, ExpStep(states=10))]
    with counted() as launches:
        with TOGETHER:
            for tile in tiles:
                pulse(tile)
            pulse(first, -1.0)
            assert "replay" not in launches.started
            assert torch.equal(second.pulses_up, torch.ones_like(second.pulses_up))
            assert launches.started.count("replay") == 3  # soft bounds, the other device, and soft bounds again
            pulse(third)
        assert launches.started.count("replay") == 4
    assert torch.equal(first.pulses_down, torch.ones_like(first.pulses_down))
    assert torch.equal(third.pulses_up, torch.full_like(third.pulses_up, 2))


def test_what_needs_more_memory_is_started_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels.use("cuda")
    monkeypatch.setattr(cuda_jobs, "room", 400)
    tiles = [tile_of(SOFT, seed) for seed in range(3)]
    with counted() as launches, TOGETHER:
        for tile in tiles:
            pulse(tile)
    assert 1 < launches.started.count("replay") < 3
    assert all(torch.equal(tile.pulses_up, torch.ones_like(tile.pulses_up)) for tile in tiles)


def vector_by_vector() -> dict[str, Any]:
    """The state of a convolution after a step that it takes vector by vector, with a transfer after each."""
    torch.manual_seed(0)
    algorithm = algorithms.TikiTaka(transfer_every=1, units_in_mbatch=False, fast_lr=0.5, transfer_lr=9.0, **TRAINS)
    model = to_analog(nn.Sequential(nn.Conv2d(2, 2, 2, bias=False)), algorithm, SOFT).to(HARDWARE)
    model(torch.linspace(-1, 1, 20, device=HARDWARE).view(1, 2, 2, 5)).sum().backward()
    AnalogOptimizer(model.parameters(), lr=0.5).step()
    return {name: value for name, value in model.state_dict(keep_vars=True).items() if "tiles" in name}


def test_rows_that_wait_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece of a mini-batch has patches of its own: they are pulsed before all pieces have been laid out."""
    kernels.use("cuda")
    add, held = cuda.Queue.add, [0]

    def watched(queue: cuda.Queue, array: DeviceArray, job: Task) -> None:
        add(queue, array, job)
        rows = [rows for _, each in queue.jobs if isinstance(each, cuda_jobs.Job) for rows in each.tensors[:2]]
        held.append(sum(cuda_jobs.bytes_of(rows).values()))

    monkeypatch.setattr(cuda.Queue, "add", watched)
    with counted() as launches:
        truth = vector_by_vector()
    room = 4 * (4 * 4 * 8)  # bytes; each of four vectors lays out all positions of the image, which are 4 of 8 columns
    assert max(held) > room
    monkeypatch.setattr(cuda_jobs, "room", room)
    held.clear()
    with counted() as more:
        found = vector_by_vector()
    assert 0 < max(held) <= room
    assert more.started.count("copy_") == 1 + launches.started.count("copy_")
    assert found.keys() == truth.keys()
    for name, expected in truth.items():
        equal = torch.equal(found[name], expected) if isinstance(expected, torch.Tensor) else found[name] == expected
        assert equal, name
    assert truth["0.algorithm.tiles.1.pulses_up"].any()


def test_other_kernels_read_what_was_pulsed_before() -> None:
    """A tile of a device without pulses takes what a tile has after its pulses."""
    kernels.use("cuda")
    fast, slow = tile_of(SOFT, 0), tile_of(SoftBounds(states=torch.inf), 1)
    with TOGETHER:
        pulse(fast)
        fast.carry(slow, 0, 2, 0.1)
    expected = torch.zeros_like(fast.weight)
    expected[:, :2] = 0.1 * fast.weight[:, :2]
    assert (slow.weight[:, :2] > 0).all()
    assert torch.equal(slow.weight[:, 2], expected[:, 2])


@pytest.mark.parametrize(("only_busy", "axis"), [(False, "column"), (True, "row")])
def test_a_gpu_finds_whether_there_is_anything_to_write(only_busy: bool, axis: Axis) -> None:
    """The first and the third time nothing crosses the threshold, so that no random numbers are drawn."""
    lines = torch.tensor([0, 1])
    held = torch.tensor([[0.0, 0.6, 0.0], [0.0, 2.5, -1.2]])[:, : 2 if axis == "column" else 3].contiguous()
    rule = BufferRule(1.0, 0.0, forget=False, longest=9)
    train = PulseTrain(desired_bl=2)

    kernels.use("reference")
    truth, expected = tile_of(SOFT, 0).cpu(), held.clone()
    for factor in (0.1, 10.0, 0.1):
        expected *= factor
        s = sift(expected, lines, torch.zeros_like(expected), 0.0, rule)
        if s is not None:
            some = s.any(dim=1) if only_busy else torch.ones(2, dtype=torch.bool)
            truth.write(lines[some], s[some], 0.2, train, axis)

    kernels.use("cuda")
    tile, buffer = tile_of(SOFT, 0), held.to(HARDWARE)
    for factor in (0.1, 10.0, 0.1):
        buffer *= factor
        assert tile.write_sifted(
            lines.to(HARDWARE), buffer, (1.0, 0.0, False, 9.0), 0.2, train, axis, only_busy=only_busy
        )
    torch.testing.assert_close(buffer.cpu(), expected)
    assert torch.equal(tile.pulses_up.cpu(), truth.pulses_up)
    assert torch.equal(tile.pulses_down.cpu(), truth.pulses_down)
    assert (tile.updates, tile.slots) == (truth.updates, truth.slots)
    assert tile.updates == 1
    assert tile.transfers_in == truth.transfers_in == (1 if only_busy else 2)


def test_no_lines_are_no_work_for_a_gpu() -> None:
    kernels.use("cuda")
    tile, none = tile_of(SOFT, 0), torch.zeros(0, dtype=torch.int64, device=HARDWARE)
    assert not tile.write_sifted(none, torch.zeros(3, 2, device=HARDWARE), (1.0, 0.0, False, 9.0), 0.2)
    tile.write(none, torch.zeros(0, 2, device=HARDWARE), 0.2)
    assert tile.slots == 0
