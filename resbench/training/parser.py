"""The parser of configs: exact keys, and initial weights that depend on the seed alone."""

from __future__ import annotations

from typing import Any

import torch
from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch.cli import LightningArgumentParser
from torch import nn


class RunParser(LightningArgumentParser):
    """A parser without abbreviated keys, at any depth. The initial weights it builds depend on the seed alone."""

    def __init__(self, *args: Any, allow_abbrev: bool = False, **kwargs: Any) -> None:
        # jsonargparse makes one parser of this class for each nested class, with its own choice of arguments.
        super().__init__(*args, allow_abbrev=allow_abbrev, **kwargs)

    def instantiate_classes(self, cfg: Namespace, instantiate_groups: bool = True) -> Namespace:
        """Build everything. Random numbers that other objects draw do not change the initial weights."""
        seeded = False

        def seed_once(class_type: type[nn.Module], *args: Any, **kwargs: Any) -> nn.Module:
            nonlocal seeded
            if not seeded:
                torch.manual_seed(cfg.seed_everything)
            seeded = True
            return class_type(*args, **kwargs)

        instantiators = [(seed_once, nn.Module, True)]
        built: Namespace = self.instantiate(cfg, instantiate_groups=instantiate_groups, instantiators=instantiators)
        return built


def built(kind: type, config: Namespace) -> Any:
    """The object of a section of a config."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=kind)
    return parser.instantiate(Namespace(value=config)).value  # type: ignore[no-untyped-call]
