"""Checksums of code that neither resbench nor a version in the record stands for; they are part of the identity."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from resbench.config.trust import class_paths
from resbench.records.files import joint_sha256
from resbench.records.identity import deciding

#: Packages whose versions may change the numbers of a run, and which a record has, by the names of their modules.
PACKAGES = {
    **{name: name for name in ("torch", "torchvision", "torchmetrics", "lightning", "numpy", "numba")},
    "sklearn": "scikit-learn",
}
#: Modules that a version in the record stands for.
VERSIONED = {"resbench", *PACKAGES, *sys.stdlib_module_names}


def own_code(config: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of the source of each plug-in of a resolved config, by module.

    A plug-in is the module or the package, as a whole, of a class that can change the result. Other modules that it
    imports are not looked at. A class without a source file, such as one typed into a notebook, has no checksum.

    Args:
        config: the config as plain data; its classes have been imported.
    """
    tops = {path.partition(".")[0] for path in class_paths(deciding(config))} - VERSIONED
    found = {top: _sha256(top) for top in sorted(tops)}
    return {top: digest for top, digest in found.items() if digest is not None}


@cache
def _sha256(top: str) -> str | None:
    """The checksum of an imported module, taken once: a process does not import it again either."""
    module = sys.modules.get(top)
    folders = [Path(folder) for folder in getattr(module, "__path__", ())]
    files = [(path.relative_to(folder).as_posix(), path) for folder in folders for path in folder.rglob("*.py")]
    if not folders and (source := getattr(module, "__file__", None)):
        files = [(f"{top}.py", Path(source))]
    try:
        return joint_sha256(files) if files else None
    except OSError:
        return None
