"""Configs with mistakes, in files and on command lines. Each must be refused in one line, or train."""

from __future__ import annotations

import argparse
import copy
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.fuzz._child import ended

Config = dict[str, Any]
#: Config of resbench to which BASE is added.
COMPOSED = "digits_2bit_residual.yaml"
BASE = """
seed_everything: 0
threads: 1
experiment: {name: fuzz, track: null, root: runs}
checkpoint: {every_n_epochs: 1, every_n_steps: 0, every_n_minutes: 10.0}
tile_state: {every_n_epochs: 1, bins: 8}
trainer: {max_epochs: 1, limit_train_batches: 2, limit_val_batches: 1, accelerator: cpu, callbacks: null, logger: null}
lr_scheduler: {class_path: torch.optim.lr_scheduler.StepLR, init_args: {step_size: 1, gamma: 0.5}}
"""
#: Values that are wrong in most places.
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 10, 1000000, 2**31, 2**63, -(2**63), 10**30, 0.0, 0.5, -0.5, 1e308, 1e-320),
    *(
        float("inf"),
        float("-inf"),
        float("nan"),
        "",
        "x",
        "null",
        "nan",
        "inf",
        "1e3",
        "auto",
        "a/b",
        "../x",
        "/dev/null",
    ),
    *(
        "val/loss",
        "test/acc",
        "evil.Cb",
        "resbench.networks.MLP",
        "torch.optim.SGD",
        "ü\n",
        "a\0b",
        "x" * 300,
        "[1, 2]",
    ),
    *([], {}, [None], [1, "a"], [[1]], {"a": 1}, {"class_path": "x"}, {"init_args": {}}, {"class_path": None}),
    *({"class_path": "torch.nn.Linear", "init_args": {"in_features": 64, "out_features": 10}},),
    *({"class_path": "resbench.algorithms.TikiTaka"}, [{"class_path": "EarlyStopping"}], {"class_path": "MLP"}),
)
#: Numbers that may be valid or not.
NUMBERS = (0, 1, -1, 2, 3, 7, 63, 1000, 0.0, 0.5, -0.5, 1.5, 1e-9, 1e9, 1e30, float("inf"), True)
#: Keys of the trainer, and classes, that the base does not have.
MORE = (
    *("benchmark", "check_val_every_n_epoch", "detect_anomaly", "deterministic", "devices", "enable_checkpointing"),
    *("enable_model_summary", "enable_progress_bar", "gradient_clip_val", "gradient_clip_algorithm", "inference_mode"),
    *("limit_test_batches", "log_every_n_steps", "max_steps", "max_time", "min_epochs", "min_steps", "num_nodes"),
    *("num_sanity_val_steps", "plugins", "precision", "profiler", "reload_dataloaders_every_n_epochs", "strategy"),
    *("sync_batchnorm", "use_distributed_sampler", "val_check_interval", "accumulate_grad_batches", "model_registry"),
)
CLASSES = (
    *("lightning.pytorch.callbacks.EarlyStopping", "lightning.pytorch.callbacks.ModelCheckpoint", "Timer"),
    *("RichProgressBar", "LearningRateMonitor", "StochasticWeightAveraging", "BatchSizeFinder", "LambdaCallback"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m tests.fuzz configs``."""
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="number of a single config to try and print")


def run(args: argparse.Namespace) -> int:
    """Try configs; return 0 if there was no fault."""
    import resbench.training.fit  # noqa: F401 - once, because all commands run in forks of this process

    ends: Counter[str] = Counter()
    wrong = late = 0
    with tempfile.TemporaryDirectory(prefix="resbench-fuzz-") as folder:
        home = Path(folder).resolve()
        for number in range(args.count) if args.only is None else [args.only]:
            chance = random.Random(f"{args.seed} {number}")
            text, flags = config(chance)
            (home / "fuzz.yaml").write_text(text, encoding="utf-8")
            end = ended(["fit", "--config", "fuzz.yaml", *flags], home)
            trains = end.status is None and any(home.glob("runs/*/*.attempt/config.yaml"))  # a long training is no hang
            names = {0: "trained", 1: "failed or diverged", 2: "refused", None: "still in training"}
            ends[names.get(end.status, "ended otherwise")] += 1
            problem = None if trains else end.wrong
            wrong += problem is not None
            if problem is None and (problem := _failed(home)):
                late += 1
            if problem:
                print(f"{number}: {problem}\n    {flags}", flush=True)
            if args.only is not None:
                print(text, flags, end.status, end.err, sep="\n")
            shutil.rmtree(home / "runs", ignore_errors=True)
    counts = ", ".join(f"{count} {name}" for name, count in sorted(ends.items()))
    print(f"configs: {sum(ends.values())} tried with seed {args.seed}: {counts}")
    print(f"configs: {wrong} wrong, {late} found by training only")
    return 1 if wrong else 0


def _failed(home: Path) -> str | None:
    """The error of a config that was accepted and could not be trained."""
    from resbench.records.schema import read_record

    for path in home.glob("runs/*/*/record.json"):
        record = read_record(path)
        if record.status == "failed":
            return f"found by training only: {(record.error or '')[:200]}"
    return None


def config(chance: random.Random) -> tuple[str, list[str]]:
    """The text of a config file with one to three mistakes, and flags."""
    from resbench.config.files import merge, named_config, read_config
    from resbench.config.yaml import dump_yaml, load_yaml

    content: Config = merge(read_config(named_config(COMPOSED)), load_yaml(BASE))
    flags: list[str] = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        chance.choice(MISTAKES)(content, chance)
    if chance.random() < 0.2:
        places = [place for place, _ in _places(content)]
        flags = [f"--{chance.choice(places)}={chance.choice(VALUES)}".replace("\0", "")]
    text = dump_yaml(content)
    return (_garbled(text, chance) if chance.random() < 0.15 else text), flags


def _places(content: Any, parent: str = "") -> Iterator[tuple[str, Config]]:
    if isinstance(content, dict):
        for key, value in list(content.items()):
            yield f"{parent}{key}", content
            yield from _places(value, f"{parent}{key}.")


def _last(place: str) -> str:
    return place.rpartition(".")[2]


def _any(content: Config, chance: random.Random) -> tuple[str, Config]:
    place, holder = chance.choice([*_places(content)])
    return _last(place), holder


def _value(content: Config, chance: random.Random) -> None:
    """Replace a value."""
    key, holder = _any(content, chance)
    if key in holder:
        holder[key] = copy.deepcopy(chance.choice(VALUES))


def _key(content: Config, chance: random.Random) -> None:
    """Change a letter of a key."""
    key, holder = _any(content, chance)
    letters = [*key]
    letters[chance.randrange(len(letters))] = chance.choice("aeiou_.+")
    holder["".join(letters)] = holder.pop(key)


def _away(content: Config, chance: random.Random) -> None:
    """Remove a key."""
    key, holder = _any(content, chance)
    holder.pop(key)


def _up(content: Config, chance: random.Random) -> None:
    """Move arguments out of `init_args`, or into a second `init_args`."""
    holders = [holder for place, holder in _places(content) if place.endswith("init_args")]
    if not holders:
        return
    holder = chance.choice(holders)
    arguments = holder.pop("init_args")
    deeper = chance.random() < 0.5 or not isinstance(arguments, dict)
    holder |= {"init_args": {"init_args": arguments}} if deeper else arguments


def _trainer(content: Config, chance: random.Random) -> None:
    """Set a key of the trainer to any value."""
    section = content.get("trainer")
    if isinstance(section, dict):
        section[chance.choice(MORE)] = copy.deepcopy(chance.choice(VALUES))


def _class(content: Config, chance: random.Random) -> None:
    """Add a callback with or without arguments, and sometimes replace an object of the model."""
    section = content.get("trainer")
    if isinstance(section, dict):
        arguments = {chance.choice(("monitor", "patience", "mode", "every")): copy.deepcopy(chance.choice(VALUES))}
        entry = {"class_path": chance.choice(CLASSES), "init_args": arguments if chance.random() < 0.7 else {}}
        section["callbacks"] = [entry] if chance.random() < 0.5 else entry
    name = chance.choice(("network", "algorithm", "device", "layers", "mapping", "forward_io", "label_smoothing"))
    if chance.random() < 0.5:
        content.setdefault("model", {}).setdefault("init_args", {})[name] = copy.deepcopy(chance.choice(VALUES))


def _number(content: Config, chance: random.Random) -> None:
    """Replace a number."""
    places = _places(content)  # keys with a dot are skipped
    numbers = [(place, holder) for place, holder in places if isinstance(holder.get(_last(place)), int | float)]
    if numbers:
        place, holder = chance.choice(numbers)
        holder[_last(place)] = chance.choice(NUMBERS)


MISTAKES = (*[_value] * 3, *[_number] * 5, *[_trainer] * 3, *[_class] * 2, _key, _away, _up)


def _garbled(text: str, chance: random.Random) -> str:
    """The text with a mistake that only people make."""
    lines = text.splitlines()
    where = chance.randrange(len(lines))
    bomb = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))]
    tagged = chance.choice(("!!int x", "!!float x", "!!python/name:os.system", "&a [*a]", "!!binary x", "*b"))
    garbled = (
        [*lines[:where], lines[where], *lines[where:]],
        [*lines[:where], chance.choice(" \t") + lines[where], *lines[where + 1 :]],
        [*lines, f"threads: {tagged}"],
        [*lines, "seed_everything: " + chance.choice("19") * chance.choice((20, 400, 5000))],
        [*lines, "model: " + "[" * chance.choice((60, 5000))],
        [*lines[:where], lines[where][: chance.randrange(1 + len(lines[where]))]],
        [*lines, *bomb],
    )
    return "\n".join(chance.choice(garbled))
