"""Runs of a tuning with a space of the repository."""

import copy
from collections.abc import Callable, Iterable
from typing import Any

from resbench.leaderboard.runs import Run
from resbench.records.identity import config_hash
from resbench.records.schema import AlgorithmEntry, EpochMetrics
from resbench.tuning.entry import TRIAL_SEED
from resbench.tuning.space import find_space
from tests.records.factory import make_record

SPACE = find_space("analog_sgd")
#: Best trial of each study: points 3, 10 and 11.
VALIDATION = {point: 0.5 + 0.01 * point for point in range(1, 16)} | {3: 0.7, 10: 0.8, 11: 0.75}
WINNERS = (3, 10, 11)


def plain_run(seed: int = 0, *, accuracy: float = 0.5, lr: float = 0.2, states: float | None = 4, **more: Any) -> Run:
    """A run of the ruleset `default`, without validation data."""
    return _run(f"default-{lr}-{states}-{seed}.json", None, lr, 31, seed, accuracy, 0.5, states, **more)


def trial(point: int, *, states: float | None = 4, validation: float | None = None, **more: Any) -> Run:
    """A trial; its result on validation data is that of :data:`VALIDATION`."""
    judged = VALIDATION[point] if validation is None else validation
    return _place(point, TRIAL_SEED, True, None, judged, states, **more)


def final(point: int, seed: int, accuracy: float, *, states: float | None = 4, **more: Any) -> Run:
    """A training of a point after the choice."""
    return _place(point, seed, False, accuracy, 0.5, states, **more)


def trials(**more: Any) -> list[Run]:
    return [trial(point, **more) for point in range(1, 16)]


def finals(accuracy: Callable[[int, int], float], seeds: Iterable[int] = range(6), **more: Any) -> list[Run]:
    """Trainings of the best point of each study; ``accuracy`` of (number of the study, seed)."""
    return [
        final(point, seed, accuracy(study, seed), **more)
        for study, point in enumerate(WINNERS, start=1)
        for seed in seeds
    ]


def _place(
    point: int, seed: int, is_trial: bool, accuracy: float | None, judged: float, states: float | None, **more: Any
) -> Run:
    values = SPACE.point(point)
    place = {"space": SPACE.name, "digest": SPACE.digest, "keys": list(SPACE.axes), "point": point, "trial": is_trial}
    name = f"{'trial' if is_trial else 'final'}-{states}-{point}-{seed}-{more.get('status', '')}.json"
    rate, length = values["optimizer.lr"], values["model.algorithm.pulses.desired_bl"]
    return _run(name, place, rate, length, seed, accuracy, judged, states, **more)


def _run(
    file: str,
    place: dict[str, Any] | None,
    lr: float,
    length: int,
    seed: int,
    accuracy: float | None,
    judged: float,
    states: float | None,
    **more: Any,
) -> Run:
    test = {} if accuracy is None else {"test/acc": accuracy, "test/loss": 1.0}
    if more.get("status", "complete") == "failed":
        more["error"] = "no memory"
    record = make_record(
        "Analog SGD", states=states, tiles=1, seed=seed, lr=lr, final={"train/loss": 0.2} | test, **more
    )
    config: Any = copy.deepcopy(record.config)
    algorithm: dict[str, Any] = {
        "class_path": "resbench.algorithms.AnalogSGD",
        "init_args": {"pulses": {"desired_bl": length}},
    }
    config["model"]["init_args"]["algorithm"] = algorithm
    config["experiment"]["tuning"] = place
    config["data"]["init_args"]["val_size"] = 0 if place is None else 5000
    config["trainer"]["limit_test_batches"] = 0 if accuracy is None else None
    epochs = [
        EpochMetrics(epoch=epoch, step=1250 * (epoch + 1), values={"train/loss": 0.4, "val/acc": judged})
        for epoch in range(2)
    ]
    changes = {
        "config": config,
        "config_hash": config_hash(config),
        "algorithm": AlgorithmEntry(
            name="Analog SGD", class_path=algorithm["class_path"], settings=algorithm["init_args"]
        ),
        "epochs": epochs,
        "data": {"name": "MNISTData", "sha256": {"train": "4f" * 32}},
    }
    return Run(file=file, record=record.model_copy(update=changes))
