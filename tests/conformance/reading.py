"""Reads the vectors of periphery and layers, and compares results with them."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from resbench.crossbar.devices import ConstantStep, Device, SoftBounds
from resbench.crossbar.periphery import PERFECT, IOParameters
from resbench.crossbar.pulses import PulseTrain
from tests.conformance.result import CannotInterpret

Vector = dict[str, Any]
EXACT_PULSES = PulseTrain(pulse_type="exact")
SAMPLES = 40000


def differs(vector: Vector, name: str, value: Any, expected: Any) -> list[str]:
    """A complaint if a value is further than ``atol`` from the expected one."""
    if value is None or expected is None:
        return [] if value is None and expected is None else [f"{name}: {value} is not {expected}"]
    got, want = (torch.as_tensor(v, dtype=torch.float64).detach() for v in (value, expected))
    if got.numel() != want.numel():
        return [f"{name}: shape {tuple(got.shape)} is not {tuple(want.shape)}"]
    error = (got.flatten() - want.flatten()).abs().max().item() if got.numel() else 0.0
    return [] if error <= vector.get("atol", 1e-5) else [f"{name}: off by {error:.3g}"]


def differs_in_distribution(vector: Vector, samples: Tensor) -> list[str]:
    """Complaints if mean or standard deviation over dimension 0 are outside the vector's tolerances."""
    source = "formula" if "formula_mean" in vector else "aihwkit"
    want_mean, want_std = (torch.as_tensor(vector[f"{source}_{m}"], dtype=torch.float64) for m in ("mean", "std"))
    mean, std = samples.double().mean(dim=0), samples.double().std(dim=0)
    floor = vector.get("atol", 1e-5)
    mean_ok = (mean - want_mean).abs() <= vector["tol_mean_in_std"] * want_std + floor
    std_ok = (std - want_std).abs() <= vector["tol_std_rel"] * want_std + floor
    complaints = [] if mean_ok.all() else [f"mean {mean.tolist()} is not {want_mean.tolist()}"]
    return complaints if std_ok.all() else [*complaints, f"std {std.tolist()} is not {want_std.tolist()}"]


def io_parameters(io: dict[str, Any] | str | None) -> IOParameters:
    """Parameters of one direction, from fields with aihwkit's names, or a sentence with "perfect" or "default"."""
    if io is None or (isinstance(io, str) and "perfect" in io):
        return PERFECT
    if isinstance(io, str):
        if "default" in io:
            return IOParameters()
        raise CannotInterpret(f"io {io!r}")
    fields: dict[str, Any] = {name: value.lower() if isinstance(value, str) else value for name, value in io.items()}
    for name in ("inp_res", "out_res"):  # here, a number of steps must be written as a bin width
        if fields.get(name, 0) > 1 and fields[name] <= 16:
            fields[name] = 1 / fields[name]
    return IOParameters(**fields)


def device_of(vector: Vector) -> Device:
    """The device that a vector describes in words, without any spread. Bounds that it does not name are far away."""
    text = vector.get("device", "")
    fields: dict[str, Any] = dict.fromkeys(
        ("dw_min_dtod", "dw_min_std", "w_max_dtod", "w_min_dtod", "up_down_dtod"), 0.0
    )
    bound = re.search(r"bounds \+-([\d.]+)", text)
    fields |= (
        {"w_max": 100.0, "w_min": -100.0} if bound is None else {"w_max": float(bound[1]), "w_min": -float(bound[1])}
    )
    fields |= {name: float(value) for name, value in re.findall(r"(\w+)=(-?[\d.]+)", text)}
    return SoftBounds(**fields) if "SoftBounds" in text else ConstantStep(**fields)
