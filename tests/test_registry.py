"""What is read off the source is what Python says of the classes themselves."""

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from torch import nn

from resbench.algorithms import Algorithm
from resbench.config import trust
from resbench.crossbar.devices import Device
from resbench.registry import OTHERS, SHELVES, Argument, describe, named, offers

BASES = {
    "algorithms": Algorithm,
    "devices": Device,
    "networks": nn.Module,
    "data": LightningDataModule,
    "tasks": LightningModule,
    "optimizers": torch.optim.Optimizer,
}


def parts(hint: Any) -> list[Any]:
    """All classes in a type."""
    inner = [part for argument in typing.get_args(hint) for part in parts(argument)]
    return inner or [hint]


def check(argument: Argument, hint: Any) -> None:
    classes = [part for part in parts(hint) if isinstance(part, type)]
    assert not any(part in (Callable, Any, object, type) for part in parts(hint))
    kinds = {kind for part in classes for kind in [next((k for k, b in BASES.items() if issubclass(part, b)), None)]}
    kinds.discard(None)
    assert kinds == ({argument.shelf} if argument.shelf else set())
    settings = [part for part in classes if dataclasses.is_dataclass(part) and not kinds]
    assert bool(settings) == (argument.fields is not None)
    for part in settings:
        hints = typing.get_type_hints(part)
        assert argument.fields is not None
        assert argument.fields.keys() == {field.name for field in dataclasses.fields(part)}
        for name, inner in argument.fields.items():
            check(inner, hints[name])


@pytest.mark.parametrize("offer", [offer for kind in SHELVES for offer in offers(kind)], ids=lambda offer: offer.path)
def test_arguments_are_those_of_the_class(offer: Any) -> None:
    found = named(offer.path)
    assert found.__module__ == offer.module
    assert offer.arguments.keys() == inspect.signature(found).parameters.keys()
    hints = typing.get_type_hints(found if dataclasses.is_dataclass(found) else found.__init__)
    for name, argument in offer.arguments.items():
        if name != "params":  # of an optimiser, which gets those of the model: no key of a config
            check(argument, hints[name])


@pytest.mark.parametrize("kind", OTHERS)
def test_words_are_strings_and_never_names_of_what_is_called(kind: str) -> None:
    for path, words in OTHERS[kind].items():
        parameters: dict[str, inspect.Parameter] = {}
        for base in reversed(named(path).__mro__[:2]):  # that of Lightning passes them on
            parameters |= inspect.signature(base).parameters
        for name in words:
            assert "dirpath" not in name
            assert not {"Callable", "Any", "object"} & set(re.findall(r"\w+", str(parameters[name].annotation)))


def test_a_class_is_looked_for_in_modules_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    for place in ("outside.py", "here/inside.py", "here/file.py"):
        (tmp_path / place).write_text("class Mine: pass\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "here")
    found = describe("inside.Mine")
    assert found
    assert found.name == "Mine"
    for path in (f"{tmp_path}/outside.Mine", "../outside.Mine", "./inside.Mine", ".inside.Mine", "in side.Mine"):
        assert describe(path) is None, path
    assert describe("a" * 300 + ".Mine") is None  # longer than the name of a file can be
    assert describe("inside..Mine") is None


def test_a_module_that_may_not_be_read_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shut.py").write_text("class Mine: pass\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)  # the tests may run as root, who reads everything
    assert describe("shut.Mine") is None


def test_all_keys_of_the_trainer_are_known() -> None:
    known = {*trust.TRAINER_PLAIN, *trust.TRAINER_NULL, *trust.TRAINER_OBJECTS}
    assert known == set(inspect.signature(Trainer.__init__).parameters) - {"self"}
