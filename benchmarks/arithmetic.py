"""Whole training iterations in portable arithmetic beside native, network by network.

``python -m benchmarks.arithmetic [--threads 1 2] [--rounds N] [--networks NAME ...] [--json FILE]``

A process computes in one arithmetic, so there are two processes, which take turns round by round; compare the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks import report
from benchmarks.cases import DEVICE
from benchmarks.loop import LR, Loop, Timing
from benchmarks.worker import Worker
from resbench.algorithms import AnalogSGD
from resbench.networks import CharGPT, LeNet5, ResNet20
from resbench.nn import AnalogOptimizer, to_analog
from resbench.training.process import PORTABLE, keep_freed_memory

SIDES = ("portable", "native")
VOCABULARY = 65


class _Characters(nn.Module):
    """A character model whose outputs are flat, as cross entropy takes them."""

    def __init__(self, **sizes: int) -> None:
        super().__init__()
        self.gpt = CharGPT(VOCABULARY, **sizes)

    def forward(self, characters: Tensor) -> Tensor:
        logits: Tensor = self.gpt(characters.long())
        return logits.flatten(0, 1)


#: name -> network, shape of an input, samples in a mini-batch, iterations in a turn.
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int, int]] = {
    "LeNet-5, 8": (LeNet5, (1, 28, 28), 8, 60),
    "LeNet-5, 64": (LeNet5, (1, 28, 28), 64, 15),
    "ResNet-20, 64": (ResNet20, (3, 32, 32), 64, 2),
    "GPT 2 x 64, 16": (lambda: _Characters(context=64, layers=2, heads=2, width=64), (64,), 16, 10),
    "GPT 6 x 384, 4": (lambda: _Characters(context=256, layers=6, heads=6, width=384), (256,), 4, 1),
}


def make_loop(name: str, analog: bool) -> Loop:
    """A network in training on random inputs, plain or with all layers on 10-state devices."""
    build, shape, batch, _ = NETWORKS[name]
    torch.manual_seed(0)
    network = build()
    if analog:
        network = to_analog(network, AnalogSGD(), DEVICE)
    if len(shape) == 1:
        inputs = torch.randint(VOCABULARY, (2 * batch, *shape)).to(torch.int16)
        targets = torch.randint(VOCABULARY, (2 * batch, *shape))
    else:
        inputs, targets = torch.rand(2 * batch, *shape), torch.randint(10, (2 * batch,))
    optimizer = (AnalogOptimizer if analog else torch.optim.SGD)(network.parameters(), lr=LR)
    return _Flat(network, optimizer, inputs, targets, batch)


class _Flat(Loop):
    """A loop whose targets are flattened."""

    def _train(self, iterations: int) -> float:
        for _ in range(iterations):
            inputs, targets = next(self.batches)
            self.optimizer.zero_grad()
            cross_entropy(self.network(inputs), targets.flatten()).backward()
            self.optimizer.step()
        return 0.0


def work() -> int:
    """Answer requests of the parent: a line of JSON for each."""
    keep_freed_memory()
    loops: dict[tuple[str, bool], Loop] = {}
    for line in sys.stdin:
        request = json.loads(line)
        torch.set_num_threads(request["threads"])
        key = request["network"], request["analog"]
        if key not in loops:
            loops = {key: make_loop(*key)}
        print(json.dumps(asdict(loops[key].run(NETWORKS[key[0]][3]))), flush=True)
    return 0


def start(side: str) -> Worker:
    """A process that computes in one arithmetic."""
    environment = {name: value for name, value in os.environ.items() if name not in PORTABLE}
    command = [sys.executable, "-m", "benchmarks.arithmetic", "--worker"]
    return Worker(command, {**environment, "BENCHMARK_ARITHMETIC": side}, side)


def measure(request: dict[str, Any], workers: dict[str, Worker], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of an iteration on each side, round by round: CPU time of one thread, wall time of several."""
    found: dict[str, list[float]] = {side: [] for side in SIDES}
    for number in range(rounds + 1):
        for side, worker in workers.items():
            timing = Timing(**worker.ask(request))
            if number > 0:
                found[side].append(1e3 * (timing.cpu if request["threads"] == 1 else timing.wall))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arithmetic", description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.worker:
        return work()
    rows, results = [("network, batch", "layers", "threads", "native ms", "portable ms", "portable / native")], []
    workers = {side: start(side) for side in SIDES}
    try:
        for threads in args.threads:
            for network in args.networks:
                for analog in (False, True):
                    request = {"network": network, "analog": analog, "threads": threads}
                    found = measure(request, workers, args.rounds)
                    ratio = statistics.median(a / b for a, b in zip(found["portable"], found["native"], strict=True))
                    results.append({**request, **found, "ratio": ratio})
                    native, portable = (f"{statistics.median(found[side]):.2f}" for side in ("native", "portable"))
                    kind = "analog" if analog else "digital"
                    rows.append((network, kind, str(threads), native, portable, f"{ratio:.2f}"))
    finally:
        for worker in workers.values():
            worker.close()
    print(report.table(rows))
    ratios = {}
    for result in results:
        layers, threads = "analog" if result["analog"] else "digital", report.threads(result["threads"])
        name = f"{result['network']}, {layers}, {threads}: portable / native"
        ratios[name] = report.ratios(result["portable"], result["native"])
    report.write_json(args.json, {"results": results}, ratios)
    return 0


if __name__ == "__main__":
    sys.exit(main())
