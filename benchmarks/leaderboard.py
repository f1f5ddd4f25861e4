"""The leaderboard of synthetic records over 12 tracks: time and memory to compile it, and time to open its page.

`python -m benchmarks.leaderboard [--records N] [--out DIR]`: N is 1,000 or more thousands, each of them with another
learning rate and so with rows of its own; with a folder, the records and the leaderboard stay there.
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from resbench.records.identity import config_hash
from resbench.records.schema import (
    AlgorithmEntry,
    Budget,
    DeviceEntry,
    EpochMetrics,
    Hardware,
    LayerEntry,
    Record,
    TileEntry,
    Track,
    write_record,
)

#: The command line, and what it took: CPU time, and the peak since the program was loaded.
COMMAND = """
import sys, time
from pathlib import Path
from resbench.cli import main
sys.argv[0] = "resbench"
status = main()
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(time.process_time(), peak.split()[1], file=sys.stderr)
sys.exit(status)
"""
RECORDS = 1000
TRACKS = [
    (network, data, budget)
    for network, data in (
        ("LeNet5(classes=10)", "MNISTData"),
        ("LeNet5(classes=10)", "FashionMNISTData"),
        ("ResNet34(classes=10)", "CIFAR10Data"),
        ("ResNet18(classes=100)", "CIFAR100Data"),
    )
    for budget in (100, 20, 5)
]
#: Name, tiles, and how many bits short of the weights' precision it acts.
ALGORITHMS = [
    ("AnalogSGD", 1, 3.0),
    ("TikiTaka", 2, 2.2),
    ("TikiTakaV2", 2, 1.1),
    ("MixedPrecision", 1, 0.0),
    ("ResidualLearning", 3, 0.9),
    ("ResidualLearning", 4, 0.6),
    ("ResidualLearning", 6, 0.35),
]
LAYERS = {
    "LeNet5": [("conv1", 16, 25, 576), ("conv2", 32, 400, 64), ("fc1", 128, 512, 1), ("fc2", 10, 128, 1)],
    "ResNet18": [("layer4.1.conv2", 512, 4608, 16), ("fc", 100, 512, 1)],
    "ResNet34": [("layer4.2.conv2", 512, 4608, 16), ("fc", 10, 512, 1)],
}


def synthetic_records() -> Iterator[Record]:
    """Records that look like those of runs, the same in every call."""
    made = 0
    for index, track in enumerate(TRACKS):
        levels = (10, 16, math.inf) if "MNIST" in track[1] and index < 3 else (4, 16, math.inf)
        seeds = 9 if index in (0, 6) else 3
        for seed in range(seeds):
            yield synthetic_record(*track, "DigitalSGD", 0, None, seed, 0.0)
            made += 1
            for states in levels:
                for name, tiles, short in ALGORITHMS if seeds == 3 else ALGORITHMS[3:]:
                    yield synthetic_record(*track, name, tiles, states, seed, short)
                    made += 1
    for extra in range(RECORDS - made):
        states, seed = (4, 10, 16)[extra % 3], 100 + extra // 3
        yield synthetic_record(*TRACKS[extra % 12], "TikiTaka", 2, states, seed, 2.2, failed=True)


def synthetic_record(
    network: str,
    dataset: str,
    epochs: int,
    algorithm: str,
    tiles: int,
    states: float | None,
    seed: int,
    short: float,
    failed: bool = False,
) -> Record:
    """One record: the fewer states and the weaker the algorithm, the lower the accuracy."""
    chance = random.Random(f"{network} {dataset} {epochs} {algorithm} {tiles} {states} {seed}")
    lost = 0.0 if states is None else math.exp(-1.1 * (min(math.log2(states), 12) - 1.3 * short)) * (1 + short)
    ceiling = {"MNISTData": 0.99, "FashionMNISTData": 0.9, "CIFAR10Data": 0.94, "CIFAR100Data": 0.73}[dataset]
    accuracy = max(0.1, ceiling - 0.02 * (100 / epochs) ** 0.3 - 0.25 * min(lost, 3)) + chance.gauss(0, 0.002)
    class_path = f"resbench.algorithms.{algorithm}"
    arguments: dict[str, Any] = {"tiles": tiles} if algorithm == "ResidualLearning" else {}
    device = {"class_path": "resbench.crossbar.devices.SoftBounds", "init_args": {"states": states}}
    config: dict[str, Any] = {
        "seed_everything": seed,
        "trainer": {"max_epochs": epochs},
        "model": {
            "class_path": "resbench.tasks.Classification",
            "init_args": {
                "network": {"class_path": f"resbench.networks.{network.partition('(')[0]}"},
                "algorithm": {"class_path": class_path, "init_args": arguments},
                "device": None if states is None else device,
            },
        },
        "data": {"class_path": f"resbench.data.{dataset}", "init_args": {"batch_size": 8}},
    }
    steps = 1250 * epochs
    started = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=seed)
    rise = [accuracy * (1 - math.exp(-(e + 1) / (1 + epochs / 8))) + chance.gauss(0, 0.004) for e in range(epochs)]
    return Record(
        run_id=config_hash(config)[:16],
        status="diverged" if failed else "complete",
        error="Diverged: the training loss is nan at step 4711; a smaller lr may help" if failed else None,
        track=Track(
            name=f"{dataset.removesuffix('Data').lower()}-{network.partition('(')[0].lower()}-{epochs}",
            task="Classification",
            network=network,
            dataset=dataset,
            analog_layers=["*"] if network.startswith("LeNet") else ["layer3", "layer4", "fc"],
            budget=Budget(epochs=epochs),
            train_size=10_000,
            batch_size=8,
        ),
        algorithm=AlgorithmEntry(name=algorithm, class_path=class_path, settings=arguments),
        device=None
        if states is None
        else DeviceEntry(name="SoftBounds", class_path=str(device["class_path"]), settings={"states": states}),
        states=states,
        bits=None if states is None else math.log2(states),
        tiles=tiles,
        seed=seed,
        config=config,
        config_hash=config_hash(config),
        epochs=[
            EpochMetrics(epoch=e, step=1250 * (e + 1), values={"val/acc": acc, "val/loss": 2.3 * (1 - acc)})
            for e, acc in enumerate(rise)
        ],
        final={} if failed else {"test/acc": accuracy, "test/loss": 2.3 * (1 - accuracy)},
        layers=[
            LayerEntry(
                name=name,
                out_features=out,
                in_features=inputs,
                reuse=reuse,
                tiles=[_tile(k, steps, chance) for k in range(tiles)],
            )
            for name, out, inputs, reuse in (LAYERS[network.partition("(")[0]] if tiles else [])
        ],
        data={"name": dataset, "sha256": "4f" * 32},
        steps=steps,
        wall_time_s=steps / 90,
        steps_per_s=90.0,
        versions={"python": "3.11.7", "torch": "2.15.0", "resbench": "0.1.0"},
        git=None,
        hardware=Hardware(cpu="synthetic", threads=1, device="cpu"),
        started=started,
        finished=started + timedelta(seconds=steps / 90),
    )


def with_rate(record: Record, round_: int) -> Record:
    """The record as it is in the first round; later with a learning rate of the round, which makes another row."""
    if not round_:
        return record
    optimizer = {"class_path": "resbench.nn.AnalogOptimizer", "init_args": {"lr": round_ / 100}}
    config = record.config | {"optimizer": optimizer}
    return record.model_copy(update={"config": config, "config_hash": config_hash(config)})


def compiled(records: Path, out: Path) -> tuple[float, float]:
    """Run `resbench leaderboard` in a process of its own: seconds of CPU time, and the peak of its memory in GiB."""
    command = [sys.executable, "-c", COMMAND, "leaderboard", "--records", str(records), "--out", str(out)]
    finished = subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    busy, peak = map(float, finished.stderr.split())
    return busy, peak / 2**20


def _tile(index: int, steps: int, chance: random.Random) -> TileEntry:
    most = round(steps * chance.uniform(0.7, 1.1) / 5**index) + 1
    pulses = most * 900
    histogram = [400 // (1 + digit) for digit in range(most.bit_length() + 1)]
    return TileEntry(
        name=f"tile{index}",
        pulses_up=pulses,
        pulses_down=pulses,
        transfers=steps // 2 // 5 ** (index - 1) if index else 0,
        max_writes=most,
        write_histogram=histogram,
    )


def page_load_ms(page: Path) -> tuple[float, str] | None:
    """Milliseconds from opening the page in headless Chromium to its load event, all scripts run; None without it."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        return None
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    with tempfile.TemporaryDirectory() as profile:
        for flag in (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
        ):
            options.add_argument(flag)
        options.add_argument(f"--user-data-dir={profile}")
        chromium = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            times = []
            for _ in range(5):
                chromium.get("about:blank")
                chromium.get(page.resolve().as_uri())
                entry = "performance.getEntriesByType('navigation')[0].loadEventEnd"
                times.append(float(chromium.execute_script(f"return {entry}")))
            return sorted(times)[2], str(chromium.capabilities["browserVersion"])
        finally:
            chromium.quit()


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=RECORDS, help="records, in thousands (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="folder to keep the records and the leaderboard in")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.out or Path(temporary)
        made = list(synthetic_records())
        for index in range(args.records):
            record = with_rate(made[index % RECORDS], index // RECORDS)
            write_record(folder / "records" / record.track.name / f"{index:04}.json", record)
        size = sum(path.stat().st_size for path in folder.glob("records/*/*.json"))
        start = time.perf_counter()
        busy, peak = compiled(folder / "records", folder / "leaderboard")
        print(f"{args.records} records, {size / 1e6:.1f} MB: resbench leaderboard took", end=" ")
        print(f"{time.perf_counter() - start:.2f} s ({busy:.2f} s of CPU time) and at most {peak:.2f} GiB")
        page = folder / "leaderboard" / "leaderboard.html"
        load = page_load_ms(page)
        opened = f"opens in {load[0]:.0f} ms (Chromium {load[1]}, median of 5)" if load else "no chromium here"
        print(f"page {page.stat().st_size / 1e6:.2f} MB, {opened}")


if __name__ == "__main__":
    main()
