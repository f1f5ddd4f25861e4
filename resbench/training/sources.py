"""Checksums of what a config only names: files of weights, one's own data, and plug-ins. They identify a run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from resbench.config.own_code import own_code
from resbench.config.weights import digest_of
from resbench.data.base import InMemoryData
from resbench.errors import UserError
from resbench.records.identity import hash_of
from resbench.registry import named

#: The keys of the checksums, each with what ``--help`` says of it.
CHECKSUMS: Mapping[str, tuple[Any, str]] = {
    "weights_sha256": (str | None, "Checksum of that file. It is part of the result and filled in for you."),
    "data_sha256": (str | None, "Checksum of data of your own. It is part of the result and filled in for you."),
    "code_sha256": (dict[str, str] | None, "Checksums of plug-ins. They are part of the result and filled in for you."),
}


def checksums(config: Mapping[str, Any], make_data: Callable[[], Any] | None) -> dict[str, Any]:
    """The checksums of a config. Those that it has already are compared with what is found here.

    Args:
        config: the resolved config as plain data; its classes have been imported.
        make_data: builds the data module; null where a checksum that the config has is not compared.

    Raises:
        UserError: for weights that are not there, and for data or code that is not what the config was made with.
    """
    weights, known = config["weights"], config["weights_sha256"]
    return {
        "weights_sha256": digest_of(weights) if weights is not None and known is None else known,
        "data_sha256": _data(config["data_sha256"], config["data"]["class_path"], make_data),
        "code_sha256": _code(config["code_sha256"] or {}, own_code(config)) or None,
    }


def digest(config: Mapping[str, Any]) -> str:
    """One checksum of all of them, of a resolved config that has them."""
    return hash_of([config[key] for key in CHECKSUMS])


def _data(made_with: str | None, class_path: str, make_data: Callable[[], Any] | None) -> str | None:
    """The checksum of one's own data; null for published ones. Data that are missing are refused when they are read."""
    module = named(class_path)
    own = inspect.isclass(module) and issubclass(module, InMemoryData)
    if make_data is None or not own or module.own_sha256 is InMemoryData.own_sha256:
        return made_with
    try:
        found: str | None = make_data().own_sha256()
    except (ValueError, TypeError, OSError):
        return made_with
    if made_with not in (None, found):
        raise UserError(
            f"data.root: these data have the sha256 {found and found[:12]}, but this config was made with "
            f"{made_with[:12]}; name the folder of those data, or leave data_sha256 out to start from these",
            "data.root",
        )
    return found


def _code(made_with: Mapping[str, str], found: dict[str, str]) -> dict[str, str]:
    for module, there in made_with.items():
        here = found.get(module)
        if here != there:
            state = "has no checksum here" if here is None else f"has the sha256 {here[:12]}"
            raise UserError(
                f"code_sha256: {module} {state}, but this config was made with {there[:12]}: its code has changed; "
                "put the former code back, or leave code_sha256 out for a new run with this code",
                "code_sha256",
            )
    return found
