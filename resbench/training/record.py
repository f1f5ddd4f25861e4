"""Makes the record of a run."""

from __future__ import annotations

import math
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import torch

from resbench import __version__
from resbench.config.own_code import PACKAGES
from resbench.crossbar.devices import Device
from resbench.crossbar.tile import Tile
from resbench.errors import UserError
from resbench.nn import AnalogLayer, analog_layers
from resbench.records.described import budget, component, device_entry, network_text
from resbench.records.limits import limits
from resbench.records.schema import (
    UNKNOWN_COMMIT,
    Accelerator,
    AlgorithmEntry,
    EpochMetrics,
    GitState,
    Hardware,
    LayerEntry,
    Record,
    TileEntry,
    Track,
)
from resbench.registry import named
from resbench.training.cli import RunCLI
from resbench.training.process import c_library, effective_arithmetic

#: The checkout that this file may be in.
CHECKOUT = Path(__file__).resolve().parents[2]
#: Variables that are set inside a hook of git. They would make git look at the repository of the hook.
OTHER_CHECKOUT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")

Status = Literal["complete", "interrupted", "failed", "diverged"]


def draft_record(cli: RunCLI) -> Record:
    """The record of a run that is about to begin. A run of which no record can be made is refused before its training.

    Raises:
        UserError: with the reason.
    """
    try:
        return _record(cli, "failed", "it has not ended", {}, datetime.now(UTC))
    except Exception as error:  # a data module or network of others may describe itself in any way
        raise UserError(f"no record can be made of this run: {_reason(error)}") from error


def final_record(
    cli: RunCLI, draft: Record, status: Status, error: str | None, test_metrics: Mapping[str, float]
) -> Record:
    """The record of a run that has ended. If it cannot be made, the record of a failed run with the reason.

    Args:
        cli: the run.
        draft: its record before the training.
        status: how it ended.
        error: why it is not complete.
        test_metrics: metrics of the test set; empty if there was no test.
    """
    try:
        return _record(cli, status, error, test_metrics, draft.started)
    except Exception as reason:
        why = f"the training ended ({status}), but no record can be made of it: {_reason(reason)}"
        finished = max(draft.started, datetime.now(UTC))
        return draft.model_copy(update={"error": why, "steps": cli.trainer.global_step, "finished": finished})


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _record(
    cli: RunCLI, status: Status, error: str | None, test_metrics: Mapping[str, float], started: datetime
) -> Record:
    model = cli.resolved["model"]["init_args"]
    history = cli.history
    layers = [_layer(name, layer, history.reuse.get(name, 1)) for name, layer in analog_layers(cli.model.network)]
    devices = model["device"] if isinstance(model["device"], list) else [model["device"]]
    tiles = next((layer.algorithm.tiles for _, layer in analog_layers(cli.model)), [])
    states = min(
        (_states(tile.device, devices[min(k, len(devices) - 1)]) for k, tile in enumerate(tiles)), default=None
    )
    last = history.epochs[-1]["values"] if history.epochs and status == "complete" else {}
    return Record(
        run_id=f"{cli.config.experiment.name}-{cli.folder.complete.name}",
        status=status,
        error=error,
        track=_track(cli),
        algorithm=_algorithm(model["algorithm"]),
        device=device_entry(devices) if tiles else None,
        states=states,
        bits=None if states is None else math.log2(states),
        tiles=max((len(layer.tiles) for layer in layers), default=0),
        seed=cli.config.seed_everything,
        config=cli.resolved,
        config_hash=cli.config_hash,
        epochs=[EpochMetrics(**entry) for entry in history.epochs],
        final={**last, **test_metrics},
        layers=layers,
        data=cli.datamodule.describe(),
        steps=cli.trainer.global_step,
        wall_time_s=history.seconds,
        steps_per_s=cli.trainer.global_step / history.seconds if history.seconds else 0.0,
        versions=versions(),
        git=git_state(CHECKOUT),
        hardware=hardware(cli),
        started=started,
        finished=max(started, datetime.now(UTC)),  # the clock may have been set back
    )


def _track(cli: RunCLI) -> Track:
    model, data = cli.resolved["model"], cli.datamodule.describe()
    network = model["init_args"]["network"]
    return Track(
        name=cli.config.experiment.track or f"{data['name']}-{component(network)['name']}",
        task=component(model)["name"],
        network=network_text(network),
        dataset=data["name"],
        analog_layers=model["init_args"]["layers"],
        budget=budget(cli.resolved["trainer"]),
        train_size=_trained_on(cli, data["train_size"]),
        batch_size=cli.datamodule.batch_size,
        limits=limits(cli.resolved),
    )


def _trained_on(cli: RunCLI, samples: int) -> int:
    """Number of training samples of an epoch, since the trainer may limit the mini-batches."""
    limit = cli.config.trainer.limit_train_batches
    if limit is None:
        return samples
    batches = len(cli.datamodule.train_dataloader())
    share = limit if isinstance(limit, float) else limit / batches
    return samples if share >= 1 else max(1, round(samples * int(batches * share) / batches))


def _algorithm(config: Mapping[str, Any]) -> AlgorithmEntry:
    """The algorithm with the ``title`` of its class. A subclass does not inherit the title."""
    entry = AlgorithmEntry(**component(config))
    return entry.model_copy(update={"name": vars(named(entry.class_path)).get("title", entry.name)})


def _states(device: Device, config: Mapping[str, Any]) -> float:
    """The number of states, from the config if it is there, because the quotient of range and step is rounded."""
    states = (config.get("init_args") or {}).get("states")
    return float(device.state_count if states is None else states)


def _layer(name: str, layer: AnalogLayer, reuse: int) -> LayerEntry:
    out, columns = layer.algorithm.shape
    # Not `named_tiles`: if a run fails in one process, it may lack what others have trained since the last epoch.
    named = zip(layer.algorithm.tile_names, layer.algorithm.tiles, strict=True)
    tiles = [_tile(tile_name, tile) for tile_name, tile in named]
    return LayerEntry(name=name, out_features=out, in_features=columns, reuse=reuse, tiles=tiles)


def _tile(name: str, tile: Tile) -> TileEntry:
    writes = (tile.pulses_up.long() + tile.pulses_down.long()).flatten()
    # w = m 2^k with m in [0.5, 1), so k is the number of binary digits of w, and 0 for w = 0.
    digits = torch.frexp(writes.double()).exponent
    return TileEntry(
        name=name,
        pulses_up=int(tile.pulses_up.sum(dtype=torch.int64)),
        pulses_down=int(tile.pulses_down.sum(dtype=torch.int64)),
        transfers=tile.transfers_in,
        slots=tile.slots,
        max_writes=int(writes.max()),
        write_histogram=torch.bincount(digits).tolist(),
    )


def git_state(root: Path) -> GitState | None:
    """State of the checkout in a folder; None if it is not a checkout, as with an installed package.

    If git is missing or refuses the folder, the code that ran is not known: the commit is ``unknown`` and dirty.
    """
    if not (root / ".git").exists():
        return None
    environment = {name: value for name, value in os.environ.items() if name not in OTHER_CHECKOUT}

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return done.stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        return GitState(commit=commit, dirty=bool(git("status", "--porcelain", "--untracked-files=normal")))
    except (OSError, subprocess.CalledProcessError):
        return GitState(commit=UNKNOWN_COMMIT, dirty=True)


def cpu_name() -> str:
    """Model of the processor, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Versions of what may change the numbers of a run."""
    return {
        "python": platform.python_version(),
        "resbench": __version__,
        **{name: version(name) for name in PACKAGES.values()},
        **c_library(),
    }


def hardware(cli: RunCLI) -> Hardware:
    """What a run computes on."""
    device = cli.trainer.strategy.root_device
    libraries = effective_arithmetic()
    return Hardware(
        cpu=cpu_name(),
        threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        architecture=platform.machine(),
        instructions=libraries["aten"],
        onednn=libraries["onednn"],
        mkl=libraries["mkl"],
        accelerator=_accelerator(device) if device.type == "cuda" else None,
    )


def _accelerator(device: torch.device) -> Accelerator:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        driver = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        driver = []
    try:
        triton = version("triton")
    except PackageNotFoundError:
        triton = None
    return Accelerator(
        compute_capability=".".join(map(str, torch.cuda.get_device_capability(device))),
        driver=next(iter(driver), None),
        cuda=str(torch.version.cuda),
        cudnn=str(torch.backends.cudnn.version()),
        triton=triton,
        tf32_matmul=torch.backends.cuda.matmul.allow_tf32,
        tf32_cudnn=torch.backends.cudnn.allow_tf32,
    )
