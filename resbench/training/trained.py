"""Loads a checkpoint for an evaluation, whose periphery and drift may differ from those of the training."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from resbench.errors import UserError
from resbench.nn import analog_layers
from resbench.records.identity import hash_of
from resbench.training.checkpoint import (
    DATA,
    KEY,
    STATE,
    differences,
    read_checkpoint,
    refuse_other_config,
    refuse_other_version,
    whole_state,
)

#: Sections of the config that have to be the same for an evaluation.
EVALUATED = ("model", "data", "data_sha256", "code_sha256", "seed_everything")
#: Keys among them that do not change the trained weights: converters and noise of products, and drift of the devices.
FREE = re.compile(r"model\.init_args\.(forward_io|backward_io|device(\.\w+)*\.drift)(\.|$)")
#: Names in the state of a model that belong to these keys.
PERIPHERY, DRIFT = (
    re.compile(r"\.periphery\.(forward|backward)_product\."),
    re.compile(r"\.drift_(nu|start|since|seen)$"),
)
#: State of a periphery that does not depend on its parameters.
KEPT = re.compile(r"\.periphery\.(running|_extra_state)$")


class Trained(NamedTuple):
    """What was loaded.

    Attributes:
        file: the checkpoint.
        config_hash: hash of the config of the training.
        steps: optimiser steps before the checkpoint.
        data: checksums of the data, by part; null where they are not known.
        changes: by dotted key, the value in the training and the one of this evaluation, where they differ.
    """

    file: Path
    config_hash: str
    steps: int
    data: Any
    changes: dict[str, tuple[Any, Any]]

    @property
    def sections(self) -> list[str]:
        """What these keys belong to, as a flag names it: ``model.forward_io``, ``model.device.drift``."""
        names = [found[0] for key in self.changes if (found := FREE.match(key))]
        return list(dict.fromkeys(name.replace(".init_args", "").rstrip(".") for name in names))


def load_trained(path: Path | str, config: Mapping[str, Any], model: nn.Module) -> Trained:
    """Load a checkpoint into a model that was built for an evaluation.

    Task, network, devices and data have to be those of the training, except for :data:`FREE`.

    Args:
        path: the path that the user named.
        config: the resolved config of this command.
        model: the model that was built from it.

    Raises:
        UserError: for a file that is missing, is not a checkpoint of resbench, or is of another config or version, and
            for other converters of a network without analog layers.
        Damaged: for a file that cannot be read.
    """
    file, checkpoint = Path(path), read_checkpoint(path)
    differing = differences(checkpoint[KEY], config)
    changes = {key: values for key, values in differing.items() if FREE.match(key)}
    fixed = {key: values for key, values in differing.items() if key.split(".")[0] in EVALUATED and key not in changes}
    refuse_other_config(file, fixed)
    if changes and not any(True for _ in analog_layers(model)):
        raise UserError(f"{next(iter(changes))}: it changes nothing, because this network has no analog layers")
    here = model.state_dict()
    state = dict(_fitted(whole_state(checkpoint, model), here, changes))
    refuse_other_version(file, state, here)
    model.load_state_dict(state)
    return Trained(file, hash_of(checkpoint[KEY]), checkpoint["global_step"], checkpoint[STATE].get(DATA), changes)


def _fitted(
    there: Mapping[str, Any], here: Mapping[str, Any], changes: Mapping[str, tuple[Any, Any]]
) -> Iterator[tuple[str, Any]]:
    """The state of a checkpoint, but what the changed keys decide is that of the model that was built."""
    has_new_drift = any(".drift" in key for key in changes)
    has_new_periphery = any(".drift" not in key for key in changes)
    decided = [*([DRIFT] if has_new_drift else []), *([PERIPHERY] if has_new_periphery else [])]
    optional = [*decided, *([KEPT] if has_new_periphery else [])]

    def matches(name: str, patterns: list[re.Pattern[str]]) -> bool:
        return any(pattern.search(name) for pattern in patterns)

    for name in dict.fromkeys([*there, *here]):
        if name in here and (matches(name, decided) or (name not in there and matches(name, optional))):
            yield name, here[name]
        elif name in there and (name in here or not matches(name, optional)):
            value = there[name]
            # With another drift all weights count as programmed when the evaluation begins.
            yield (
                name,
                {**value, "clock": 0.0} if has_new_drift and isinstance(value, dict) and "clock" in value else value,
            )
