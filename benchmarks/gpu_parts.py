"""The parts of ``benchmarks.gpu``: each measures until its clock has run out, and returns what goes into the file."""

from __future__ import annotations

import copy
import hashlib
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import triton
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.cases import CASES
from benchmarks.large import Large
from benchmarks.report import quartiles
from benchmarks.worker import REPOSITORY, tail
from resbench.crossbar import kernels
from resbench.crossbar.devices import SoftBounds
from resbench.crossbar.kernels import cuda_jobs, cuda_launch, cuda_scales, cuda_scan
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import MapRows, PatchRows, Rows
from resbench.crossbar.tile import Tile
from resbench.networks import LeNet5, ResNet34
from resbench.nn import AnalogOptimizer, to_analog
from resbench.training.process import leave_memory_unfilled

IS_GPU = torch.cuda.is_available()
HARDWARE = torch.device("cuda" if IS_GPU else "cpu")
DEVICE = SoftBounds(states=16, w_max=1.0, w_min=-1.0)
TILES = 6
#: Out, channels, kernel, height and width of the output, images: layers of ResNet-34 at batch 128, the last one linear.
LAYERS = ((256, 256, 3, 8, 128), (512, 512, 3, 4, 128), (256, 128, 1, 8, 128), (10, 512, 1, 1, 128))
TINY_LAYERS = ((3, 2, 2, 2, 1), (2, 5, 1, 1, 2))
REPEATS = 20 if IS_GPU else 2
#: Rows, columns and samples of updates with few to many pulses.
SIZES = ((256, 2304, 8192), (512, 4608, 2048)) if IS_GPU else ((3, 5, 2),)
PULSES = (0.01, 0.1, 1.0, 10.0) if IS_GPU else (1.0,)


class Clock:
    """What is left of the time of a part.

    Args:
        seconds: its time.
    """

    def __init__(self, seconds: float) -> None:
        self.end = time.perf_counter() + seconds

    def has_time(self, seconds: float = 0.0) -> bool:
        """Whether more than so many seconds are left."""
        return time.perf_counter() + seconds < self.end


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if IS_GPU:
        torch.cuda.synchronize()


def timed(work: Callable[[], object], clock: Clock, repeats: int = 30) -> dict[str, Any]:
    """Milliseconds of something: quartiles until the GPU is done, and the median until the host is."""
    if not IS_GPU:
        repeats = 1
    for _ in range(2 if IS_GPU else 0):
        work()
    synchronize()
    whole, host = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        host.append(1e3 * (time.perf_counter() - start))
        synchronize()
        whole.append(1e3 * (time.perf_counter() - start))
        if not clock.has_time():
            break
    return {"ms": [round(value, 4) for value in quartiles(whole)], "host_ms": round(quartiles(host)[1], 4)}


def versions(_: Clock) -> dict[str, Any]:
    """What the others were measured with."""
    found: dict[str, Any] = {"python": sys.version.split()[0], "torch": torch.__version__, "triton": triton.__version__}
    if IS_GPU:
        properties = torch.cuda.get_device_properties(HARDWARE)
        found |= {"cuda": torch.version.cuda, "gpu": properties.name, "bytes": properties.total_memory}
    return found


def tests(clock: Clock) -> dict[str, Any]:
    """The tests of the kernels; without a GPU only one of them, since the test suite has them all.

    That the kernels compile is tested without a GPU, and would take much of the time here.
    """
    chosen = "not compile_for_a_gpu" if IS_GPU else "plain_arithmetic"
    files = [f"tests/crossbar/kernels/test_{name}.py" for name in ("cuda", "together")]
    command = [sys.executable, "-m", "pytest", "-v", "--tb=short", "-p", "no:cacheprovider", *files, "-k", chosen]
    left = clock.end - time.perf_counter()
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=left)
    except subprocess.TimeoutExpired as expired:
        raise RuntimeError(f"took more than {left:.0f} s\n{tail(expired.stdout, 3500)}") from None
    if done.returncode:
        raise RuntimeError(done.stdout[-3500:])
    return {"said": done.stdout.strip().splitlines()[-1]}


def layer(out: int, channels: int, kernel: int, size: int, images: int) -> tuple[Tile, Rows, Rows]:
    """A tile, and the rows that train it, about a pulse for each crosspoint."""
    draw = torch.Generator().manual_seed(out)
    padded = size + kernel - 1
    x = torch.randn(images, channels, padded, padded, generator=draw).clamp_(min=0)
    d = torch.randn(images, out, size, size, generator=draw)
    d *= torch.rand(d.shape, generator=draw) < 0.5
    tile = Tile(DEVICE, (out, channels * kernel**2), Stream.from_seed(out))
    tile.program(torch.empty(tile.shape).uniform_(-0.2, 0.2, generator=draw))
    if size == 1:
        return tile, Rows(x.flatten(1)), Rows(d.flatten(1))
    return tile, PatchRows(x, (kernel, kernel), (1, 1), (1, 1)), MapRows(d)


def races(clock: Clock) -> list[dict[str, Any]]:
    """Pulses of layers of a ResNet beside Numba's, and whether repetitions have the same bits."""
    found = []
    for shape in LAYERS if IS_GPU else TINY_LAYERS:
        first, x, d = layer(*shape)
        rate = 0.5 * first.granularity / x.shape[0] / float(x.source.abs().mean() * d.source.abs().mean())
        truth = copy.deepcopy(first)
        kernels.use("cpu")
        truth.update(x, d, rate)
        kernels.use("cuda")
        hashes, there_x, there_d = set(), x.of(x.source.to(HARDWARE)), d.of(d.source.to(HARDWARE))
        for _ in range(REPEATS):
            tile = copy.deepcopy(first).to(HARDWARE)
            tile.update(there_x, there_d, rate)
            tile = tile.cpu()
            parts = (tile.pulses_up, tile.pulses_down, tile.weight)
            hashes.add(hashlib.sha256(b"".join(part.numpy().tobytes() for part in parts)).hexdigest())
            if not clock.has_time():
                break
        error = float((tile.weight - truth.weight).abs().max())
        equal = tile.slots == truth.slots and all(
            torch.equal(getattr(tile, way), getattr(truth, way)) for way in ("pulses_up", "pulses_down")
        )
        found.append(
            {
                "shape": shape,
                "pulses": int((truth.pulses_up + truth.pulses_down).sum()),
                "equal": equal,
                "weights_differ_by": error,
                "hashes": len(hashes),
            }
        )
        if not (equal and len(hashes) == 1 and error <= 2e-6):
            raise RuntimeError(f"these pulses differ: {found[-1]}")
    return found


@contextmanager
def counted_waits() -> Iterator[list[str]]:
    """Where the host waits for the GPU; the list is filled at the end."""
    waits: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if IS_GPU:
            torch.cuda.set_sync_debug_mode("warn")
        try:
            yield waits
        finally:
            if IS_GPU:
                torch.cuda.set_sync_debug_mode("default")
    for warning in caught:
        if "synchroniz" in str(warning.message):
            waits.append(f"{os.path.relpath(warning.filename, REPOSITORY)}:{warning.lineno}")


class Tiny(nn.Sequential):
    """The network for the interpreter."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(2, 2))


def network(name: str, is_analog: bool, algorithm: str = "ResidualLearning") -> tuple[nn.Module, torch.optim.Optimizer]:
    """A network in training on the GPU, and its optimiser."""
    torch.manual_seed(0)
    makers: dict[str, Callable[[], nn.Module]] = {"ResNet-34": ResNet34, "LeNet-5": LeNet5, "tiny": Tiny}
    model = makers[name]()
    if not is_analog:
        model = model.to(HARDWARE)
        return model, torch.optim.SGD(model.parameters(), lr=0.05)
    layers = ("layer3", "layer4", "fc") if name == "ResNet-34" else ("*",)
    model = to_analog(model, CASES[algorithm](), DEVICE, layers).to(HARDWARE)
    return model, AnalogOptimizer(model.parameters(), lr=0.05)


def batch_of(name: str) -> tuple[Tensor, Tensor]:
    """A mini-batch for a network, on the GPU."""
    draw = torch.Generator().manual_seed(0)
    shape, classes = {
        "ResNet-34": ((128, 3, 32, 32), 10),
        "LeNet-5": ((8, 1, 28, 28), 10),
        "tiny": ((2, 2), 2),
    }[name]
    images, targets = torch.rand(shape, generator=draw), torch.randint(classes, shape[:1], generator=draw)
    return images.to(HARDWARE), targets.to(HARDWARE)


def stepper(model: nn.Module, optimizer: torch.optim.Optimizer, batch: tuple[Tensor, Tensor]) -> Callable[[], None]:
    """A training step."""

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(model(batch[0]), batch[1]).backward()
        optimizer.step()

    return step


def algorithms(clock: Clock) -> dict[str, Any]:
    """Steps of every algorithm in deterministic mode: time, and where the host waits."""
    kernels.use("cuda")
    names = [name for name in CASES if name != "DigitalSGD"] if IS_GPU else ["AnalogSGD"]
    found: dict[str, Any] = {}
    torch.use_deterministic_algorithms(True)
    leave_memory_unfilled()
    try:
        for name in names:
            if not clock.has_time(2.0):
                found[name] = "no time left"
                continue
            kind = "LeNet-5" if IS_GPU else "tiny"
            step = stepper(*network(kind, True, name), batch_of(kind))
            for _ in range(3 if IS_GPU else 1):
                step()
            with counted_waits() as waits:
                step()
            places = {place: waits.count(place) for place in sorted(set(waits))}
            found[name] = {"waits": places, **timed(step, clock, 10)}
    finally:
        torch.use_deterministic_algorithms(False)
    return found


def networks(clock: Clock) -> dict[str, Any]:
    """Training steps of analog and digital networks, in TF32 and in float32."""
    kernels.use("cuda")
    found: dict[str, Any] = {}
    for name in ("LeNet-5", "ResNet-34") if IS_GPU else ("tiny",):
        batch = batch_of(name)
        for precision in ("high", "highest"):
            torch.set_float32_matmul_precision(precision)
            torch.backends.cudnn.allow_tf32 = precision == "high"
            for is_analog in (False, True):
                if not clock.has_time(3.0 if IS_GPU else 0.0):
                    return found
                step = stepper(*network(name, is_analog), batch)
                kind = f"{name}, {'TF32' if precision == 'high' else 'float32'}, {'analog' if is_analog else 'digital'}"
                found[kind] = timed(step, clock)
                if IS_GPU and is_analog:
                    found[kind]["kernels_us"] = longest_kernels(step)
                    found[kind]["peak_bytes"] = torch.cuda.max_memory_allocated()
    torch.set_float32_matmul_precision("highest")
    return found


def longest_kernels(work: Callable[[], object]) -> dict[str, list[float]]:
    """Microseconds and launches of the kernels of some work that take longest."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        work()
        synchronize()
    longest = sorted(profile.key_averages(), key=lambda each: -each.self_device_time_total)[:12]
    return {each.key[:60]: [round(each.self_device_time_total, 1), each.count] for each in longest}


def large(rows: int, columns: int, samples: int, per_crosspoint: float) -> Callable[[], None]:
    """An update of a large array."""
    sides = Large(rows, columns, samples, per_crosspoint)
    tile = Tile(SoftBounds(states=100, w_max=1.0, w_min=-1.0), (rows, columns), Stream.from_seed(0)).to(HARDWARE)
    x, d = (Rows(side.to(HARDWARE)) for side in sides.sides())
    rate = sides.rate()
    return lambda: tile.update(x, d, rate)


def pulses(clock: Clock) -> dict[str, Any]:
    """Updates with few to many pulses for each crosspoint."""
    kernels.use("cuda")
    found: dict[str, Any] = {}
    for size in SIZES:
        for per_crosspoint in PULSES:
            if not clock.has_time(1.0 if IS_GPU else 0.0):
                return found
            work, key = large(*size, per_crosspoint), f"{'x'.join(map(str, size))}, {per_crosspoint:g}"
            found[key] = timed(work, clock, 10)
            if IS_GPU:
                found[key]["kernels_us"] = longest_kernels(work)
    return found


def blocks(clock: Clock) -> dict[str, Any]:
    """Updates with other sizes of programs."""
    kernels.use("cuda")
    found: dict[str, Any] = {}
    before = cuda_scan.COLUMNS, cuda_scan.ROW_SAMPLES, cuda_scales.MAXIMA_SAMPLES, cuda_scales.MAXIMA_LINES
    choices = [(64, 128, 8, 128), before, (256, 128, 8, 128), (128, 64, 8, 128), (128, 256, 8, 128)]
    choices += [(128, 128, 32, 32), (128, 128, 4, 256)]
    try:
        for columns, row_samples, samples, lines in choices if IS_GPU else choices[:1]:
            cuda_scan.COLUMNS, cuda_scan.ROW_SAMPLES = columns, row_samples
            cuda_scales.MAXIMA_SAMPLES, cuda_scales.MAXIMA_LINES = samples, lines
            for per_crosspoint in (0.1, 10.0) if IS_GPU else PULSES:
                if not clock.has_time(2.0 if IS_GPU else 0.0):
                    return found
                key = f"{columns}, {row_samples}, {samples} x {lines}: {per_crosspoint:g}"
                work = large(*SIZES[-1], per_crosspoint)
                found[key] = timed(work, clock, 10)
                if IS_GPU:
                    found[key]["kernels_us"] = longest_kernels(work)
    finally:
        cuda_scan.COLUMNS, cuda_scan.ROW_SAMPLES, cuda_scales.MAXIMA_SAMPLES, cuda_scales.MAXIMA_LINES = before
    return found


def graph(clock: Clock) -> dict[str, Any]:
    """Whether a CUDA graph can hold an update, and what its launches cost; a replay draws the same numbers again."""
    kernels.use("cuda")
    tile, x, d = layer(*(LAYERS if IS_GPU else TINY_LAYERS)[0])
    tile, x, d = tile.to(HARDWARE), x.of(x.source.to(HARDWARE)), d.of(d.source.to(HARDWARE))
    rate = float(tile.granularity) / x.shape[0]
    jobs = list(cuda_jobs.jobs_of(tile, x, d, rate, PulseTrain(), tile.granularity))
    work = cuda_launch.Work(list(enumerate(jobs)), [], HARDWARE)
    found = {
        "update": timed(lambda: tile.update(x, d, rate, PulseTrain()), clock),
        "launches": timed(work.start, clock),
    }
    if IS_GPU:
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured):
            work.start()
        found["replayed"] = timed(captured.replay, clock)
    return found
