"""`resbench warmup`: nothing is left to compile after it."""

from __future__ import annotations

import subprocess
import sys

from resbench.commands.warmup import responses
from resbench.crossbar.views import FORMS

#: A device for each form of response in the trainings below. All seven forms would take minutes.
DEVICES = ["SoftBounds", "PowStep", "ExpStep"]

# In a process of its own, where no other test has used a kernel yet. Another one fills the cache on the disk before:
# while a kernel is compiled, those that it calls are counted for types that no training calls them with.
TRAIN = f"""
import torch
from numba.core.dispatcher import Dispatcher
from torch.nn.functional import cross_entropy

from resbench import algorithms
from resbench.cli import main
from resbench.crossbar import devices
from resbench.crossbar.kernels import apply, buffers, maxima, product_code, scan, scan_vectors, uniform, vectors_code
from resbench.crossbar.periphery import PERFECT, IOParameters
from resbench.networks import LeNet5
from resbench.nn import AnalogOptimizer, to_analog

assert main(["warmup", "--devices", *{DEVICES}]) == 0
kernels = {{
    f"{{module.__name__}}.{{name}}": kernel
    for module in (apply, buffers, maxima, product_code, scan, scan_vectors, uniform, vectors_code)
    for name, kernel in vars(module).items()
    if isinstance(kernel, Dispatcher)
}}
def forms():
    return {{name: len(kernel.signatures) for name, kernel in kernels.items()}}
ready = forms()
for name in ("pulse", "apply"):
    assert ready["resbench.crossbar.kernels.apply." + name] == {len(DEVICES)}

noisy, soft = IOParameters(), devices.SoftBounds(states=4)
cases = [
    (algorithms.AnalogSGD(), devices.PowStep(states=12, write_noise_std=0.5), noisy),
    (algorithms.TikiTaka(tiles=3, gamma=0.5, transfer_columns=False, transfer_io=noisy), soft, PERFECT),
    (algorithms.TikiTakaV2(transfer_io=noisy, n_reads_per_transfer=None), devices.ExpStep(), PERFECT),
    (algorithms.AGAD(in_chop_random=True, buffer_cap=1.0, transfer_columns=False), soft, PERFECT),
    (algorithms.ChoppedTikiTaka(out_chop_prob=0.5, no_buffer=True), devices.LinearStep(), PERFECT),
    (algorithms.MixedPrecision(n_x_bins=5, n_d_bins=5), soft, PERFECT),
    (algorithms.ResidualLearning(8, transfer_io=noisy), soft, PERFECT),
    (algorithms.AGAD(units_in_mbatch=False, transfer_columns=False), devices.PowStep(states=12), PERFECT),
    (algorithms.TikiTakaV2(units_in_mbatch=False), soft, PERFECT),
]
for algorithm, device, io in cases:
    network = to_analog(LeNet5(), algorithm, device, forward_io=io, backward_io=io)
    optimizer = AnalogOptimizer(network.parameters(), lr=1.0)
    for batch in (1, 7, 7):
        optimizer.zero_grad()
        logits = network(torch.rand(batch, 1, 28, 28))
        cross_entropy(logits, torch.zeros(batch, dtype=torch.int64)).backward()
        optimizer.step()
    new = {{name: count for name, count in forms().items() if count != ready[name]}}
    assert not new, (algorithm, new)
"""


HALF = """
import torch

from resbench.cli import main
from resbench.crossbar.unit_cells import make_tile
from resbench.crossbar.devices import SoftBounds
from resbench.crossbar.kernels import apply
from resbench.crossbar.randomness import Stream

assert main(["warmup", "--devices", "SoftBounds", "--half-constants"]) == 0
ready = len(apply.pulse.signatures)
for half in (False, True):
    tile = make_tile(SoftBounds(states=4, half_constants=half), (5, 3), Stream.from_seed(0))
    tile.update(torch.ones(7, 3), torch.ones(7, 5), 1.0)
assert len(apply.pulse.signatures) == ready > 1
"""


def test_a_training_compiles_nothing_after_it() -> None:
    subprocess.run([sys.executable, "-m", "resbench", "warmup", "--devices", *DEVICES], capture_output=True, check=True)
    result = subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "kernels" in result.stdout


def test_half_precision_is_compiled_if_asked_for() -> None:
    result = subprocess.run([sys.executable, "-c", HALF], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_without_devices_every_form_of_response_is_compiled() -> None:
    assert {device.response for device in responses()} >= set(FORMS)
