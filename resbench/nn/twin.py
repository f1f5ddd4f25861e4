"""Modules in place of a digital layer: they give the state of that layer, and are programmed by it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from resbench.errors import BadValue
from resbench.nn.parameter import OWNED, ForeignWrite

#: Relative to the largest weight, how far a programmed weight may be off by rounding.
ROUNDING = 1e-5
#: How many names a message lists at most.
LISTED = 8


class Twin(nn.Module):
    """A module on one array or several in place of one digital layer, the *logical* layer.

    Loading the state of the digital layer programs the arrays. A subclass says what that state is.
    """

    #: Prefix of names that are only in the state of the analog layer, not in that of the digital one.
    held: ClassVar[str]

    @abstractmethod
    def digital_state(self) -> dict[str, Tensor]:
        """The state of the digital layer that computes the same with perfect periphery: copies, by name."""

    @abstractmethod
    def load_digital_state(self, state: Mapping[str, Tensor]) -> None:
        """Program the state of the digital layer, as far as the devices can hold it.

        Args:
            state: all weights, by their names in the digital layer; a bias may be missing.
        """

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, metadata: Any, *rest: Any) -> None:
        """If this is the state of the digital layer, program it, and replace it by the state of this module."""
        if metadata.get("assign_to_params_buffers"):
            raise ForeignWrite(f"{prefix}weight: {OWNED}; call load_state_dict without assign=True")
        if not any(name.startswith(prefix + self.held) for name in state_dict):
            wanted = self.digital_state()
            found = {name: state_dict[prefix + name] for name in wanted if prefix + name in state_dict}
            if all(name in found and found[name].shape == wanted[name].shape for name in wanted if _is_weight(name)):
                self.load_digital_state(found)
                for name in found:
                    del state_dict[prefix + name]
                own = self.state_dict(prefix=prefix)
                for name in wanted.keys() - found.keys():
                    own.pop(prefix + name, None)  # a bias that is missing, as torch will say
                state_dict.update(own)
        super()._load_from_state_dict(state_dict, prefix, metadata, *rest)


class MatrixTwin(Twin):
    """A twin of a layer with one ``weight`` and one ``bias`` or none."""

    @abstractmethod
    def set_weights(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Program the logical weight, as far as the devices can hold it, and the bias."""

    @abstractmethod
    def get_weights(self) -> tuple[Tensor, Tensor | None]:
        """Logical weight in the shape of the digital layer, and bias: copies."""

    def digital_state(self) -> dict[str, Tensor]:
        weight, bias = self.get_weights()
        return {"weight": weight} if bias is None else {"weight": weight, "bias": bias}

    def load_digital_state(self, state: Mapping[str, Tensor]) -> None:
        self.set_weights(state["weight"], state.get("bias"))


def _is_weight(name: str) -> bool:
    return name.startswith("weight")


def twins(model: nn.Module) -> Iterator[tuple[str, Twin]]:
    """(name, twin) of every layer that was put on tiles; one that appears more than once comes under all its names."""
    outer: list[str] = []
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, Twin) and not any(name.startswith(f"{other}." if other else "") for other in outer):
            outer.append(name)
            yield name, module


def digital_state(model: nn.Module) -> dict[str, Tensor]:
    """The state of the digital network that computes what this one computes with perfect periphery.

    Analog layers give their logical weights: the composite weight of their tiles times mapping scale and output scale.
    ``digital.load_state_dict(rb.digital_state(model))`` gives a network of plain torch with the same outputs.

    Returns:
        Copies of all tensors, by their names in the digital network.
    """
    left = {f"{name}." if name else "": twin for name, twin in twins(model)}
    analog = tuple(left)
    state: dict[str, Tensor] = {}
    for key, value in model.state_dict().items():
        prefix = next((prefix for prefix in analog if key.startswith(prefix)), None)
        if prefix in left:
            state |= {prefix + name: tensor for name, tensor in left.pop(prefix).digital_state().items()}
        elif prefix is None and isinstance(value, Tensor):
            state[key] = value.detach().clone()
    return state


@torch.no_grad()
def program(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Program a whole network: analog layers as far as their devices can hold the weights, digital ones exactly.

    Args:
        model: a network with or without analog layers.
        state: the state of the digital network, every name of it and no other.

    Returns:
        A line for each weight that devices cannot hold, because it is beyond their range or they are stuck.

    Raises:
        BadValue: for names and shapes that do not fit; it lists them.
    """
    check_fit(model, state)
    model.load_state_dict(state)
    lines = []
    for key, held in digital_state(model).items():
        wanted = state[key].to(held)
        off = (held - wanted).abs()
        count = int((off > ROUNDING * wanted.abs().amax()).sum()) if held.is_floating_point() and held.numel() else 0
        if count:
            many = f"{count} of {held.numel()} weights, out of range or stuck"
            lines.append(f"{key}: the devices cannot hold {many}; largest error {off.max():.3g}")
    return lines


def check_fit(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Refuse a state of another network.

    Raises:
        BadValue: for names and shapes that do not fit; it lists them.
    """
    wanted = digital_state(model)
    problems = {
        "lacks": [name for name in wanted if name not in state],
        "has other names": [name for name in state if name not in wanted],
        "has other shapes": [
            f"{name} {list(state[name].shape)}, here {list(tensor.shape)}"
            for name, tensor in wanted.items()
            if name in state and state[name].shape != tensor.shape
        ],
        "has values that are not finite": [name for name in state if not bool(state[name].isfinite().all())],
    }
    found = [f"it {problem}: {_listed(names)}" for problem, names in problems.items() if names]
    if found:
        raise BadValue("weights", "the state of another network", f"; {'; '.join(found)}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
