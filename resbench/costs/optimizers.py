"""What the optimisers of torch store and compute for each weight, counted from the formulas in torch's documentation.

Every addition, multiplication, division, root, maximum and absolute value counts as one operation. The addition to the
summed update is included. Factors that all weights share are not counted.
"""

from collections.abc import Mapping
from typing import Any

#: For each optimiser: matrices of the shape of the weight, and operations for each weight in a step.
WORK = {
    "Adadelta": (2, 16),
    "Adagrad": (1, 7),
    "Adam": (2, 13),
    "AdamW": (2, 13),
    "Adamax": (2, 10),
    "NAdam": (2, 16),
    "RAdam": (2, 14),
    "RMSprop": (1, 9),
    "SGD": (0, 2),
}


def optimizer_work(name: str, options: Mapping[str, Any]) -> tuple[int, int] | None:
    """Matrices and operations of an optimiser; None for one that is not in :data:`WORK`.

    Args:
        name: its class, without the module.
        options: its arguments.
    """
    if name not in WORK:
        return None
    matrices, ops = WORK[name]
    if options.get("momentum"):
        matrices, ops = matrices + 1, ops + 2
        ops += 2 if options.get("nesterov") else 0
    if options.get("amsgrad"):
        matrices, ops = matrices + 1, ops + 1
    if options.get("centered"):
        matrices, ops = matrices + 1, ops + 5
    decay = options.get("weight_decay", 0.01 if name == "AdamW" else 0.0)
    return matrices, ops + (2 if decay else 0)
