"""Loading the state of a digital model into one with analog layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from resbench.nn.parameter import OWNED, ForeignWrite


class Programmable(Protocol):
    """A layer on one array or several."""

    kernel_shape: torch.Size
    bias: Any

    def set_weights(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Program the logical weight and the bias."""

    def state_dict(self, *, prefix: str = ...) -> dict[str, Any]:
        """As that of any module."""


def program_digital(
    layer: Programmable,
    state_dict: dict[str, Any],
    prefix: str,
    analog: str,
    local_metadata: Mapping[str, Any],
) -> None:
    """Program a layer from the state of its digital twin, if it is given that, and put its own state in the place.

    Args:
        layer: the layer that is to be loaded.
        state_dict: what it is loaded from; changed in place, for the layer and its modules only.
        prefix: of the names of the layer.
        analog: how names begin that only the state of an analog layer has.
        local_metadata: what torch says of the loading.

    Raises:
        ForeignWrite: for ``assign=True``, which would give the layer other memory than its tiles have.
    """
    if local_metadata.get("assign_to_params_buffers"):
        raise ForeignWrite(f"{prefix}weight: {OWNED}; call load_state_dict without assign=True")
    names = [f"{prefix}weight", f"{prefix}bias"]
    weight, bias = (state_dict.get(name) for name in names)
    is_analog = any(name.startswith(prefix + analog) for name in state_dict)
    if is_analog or weight is None or weight.shape != layer.kernel_shape:
        return
    layer.set_weights(weight, bias)
    for name in names:
        state_dict.pop(name, None)
    own = layer.state_dict(prefix=prefix)
    if bias is None and layer.bias is not None:
        del own[names[1]]  # which is missing, as torch will say
    state_dict.update(own)
