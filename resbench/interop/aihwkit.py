"""Read an ``rpu_config`` of IBM's aihwkit 1.1.0 as device, algorithm, periphery and mapping."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from resbench import algorithms
from resbench.algorithms import Algorithm
from resbench.crossbar.devices import Device, Ideal
from resbench.crossbar.mapping import MappingParameters
from resbench.crossbar.periphery import PERFECT, IOParameters
from resbench.crossbar.pulses import ONE_PULSE, PulseTrain
from resbench.errors import BadValue
from resbench.interop.fields import Fields, as_dict
from resbench.interop.parts import SILENT, device_of, elements_of, io_parameters, mapping_parameters, pulse_train

#: Classes of an ``rpu_config`` that are trained in memory, and the one in floating point.
CONFIGS = ("SingleRPUConfig", "UnitCellRPUConfig", "DigitalRankUpdateRPUConfig", "FloatingPointRPUConfig")


@dataclass(frozen=True)
class Converted:
    """What an ``rpu_config`` is here; the arguments of :func:`resbench.nn.to_analog`.

    Args:
        device: device of all tiles; one for each tile where they differ; None for floating point.
        algorithm: hyper-parameters of the training algorithm.
        forward_io: periphery of the forward products.
        backward_io: periphery of the backward products.
        mapping: scales, bias and largest array.
        arguments: of the algorithm, by name.
    """

    device: Device | tuple[Device, ...] | None
    algorithm: Algorithm
    forward_io: IOParameters
    backward_io: IOParameters
    mapping: MappingParameters
    arguments: Mapping[str, Any]

    def yaml(self) -> str:
        """A config fragment, for ``--config``."""
        model: dict[str, Any] = {}
        if self.device is not None:
            model["device"] = _plain(self.device)
        name = f"resbench.algorithms.{type(self.algorithm).__name__}"
        arguments = {key: _plain(value) for key, value in self.arguments.items()}
        model["algorithm"] = {"class_path": name, **({"init_args": arguments} if arguments else {})}
        model |= {name: _plain(getattr(self, name)) for name in ("forward_io", "backward_io", "mapping")}
        return yaml.safe_dump({"model": {"init_args": model}}, sort_keys=False)


def read(rpu_config: object) -> Converted:
    """Convert a config of aihwkit 1.1.0.

    Devices, unit cells, Tiki-Taka and its successors, mixed precision, periphery and mapping have counterparts;
    everything that is not the default there and has none is refused. Choices that aihwkit does not have stay at our
    defaults: ``grad_mask``, ``transfer_at`` of mixed precision (the end of a mini-batch), ``order`` of transfers.

    Args:
        rpu_config: an object, or a dict with the same names: ``{"class": "SingleRPUConfig", "device": {"class":
            "SoftBoundsDevice", "dw_min": 0.1}, ...}``; fields left out have aihwkit's defaults.

    Raises:
        BadValue: for a field without counterpart, naming it.
    """
    fields = Fields(as_dict(rpu_config), "")
    if fields.name.startswith(("Inference", "TorchInference", "Quantized")):
        raise BadValue("rpu_config", fields.name, "has no counterpart: it is not trained in memory")
    if fields.name and fields.name not in CONFIGS:
        raise BadValue("rpu_config", fields.name, f"has no counterpart; write one of {', '.join(CONFIGS)}")
    _check_plain(fields)
    forward, backward = (io_parameters(fields.child(name)) for name in ("forward", "backward"))
    of_layers = mapping_parameters(fields.child("mapping"))
    update = fields.child("update")
    if fields.name == "FloatingPointRPUConfig":
        # Its products are exact and its update is that of torch, whatever the other fields say.
        return Converted(None, algorithms.DigitalSGD(), PERFECT, PERFECT, of_layers, {})
    pulses = None if update is None else pulse_train(update)
    device = fields.child("device") or Fields({"class": "ConstantStepDevice"}, "device")
    found, algorithm, arguments = _algorithm(device, update is not None and pulses is None, pulses or PulseTrain())
    fields.finish()
    return Converted(found, algorithm(**arguments), forward, backward, of_layers, arguments)


def _check_plain(fields: Fields) -> None:
    """Refuse what happens around the tile and has no counterpart."""
    runtime = fields.child("runtime")
    if runtime is not None:
        runtime.only("data_type", "FLOAT", "float")
    fields.ignore(*SILENT)
    around = fields.child("pre_post")
    ranges = None if around is None else around.child("input_range")
    if ranges is not None:
        ranges.only("enable", False)
    if fields.name == "FloatingPointRPUConfig":
        return
    for name, choice in (("modifier", "COPY"), ("clip", "NONE"), ("remap", "NONE")):
        part = fields.child(name)
        if part is not None:
            part.only("type", choice)
    for name in ("noise_model", "drift_compensation"):
        fields.only(name, None)


# -- algorithms --------------------------------------------------------------------------------------------------------

Found = tuple[Device | tuple[Device, ...], Callable[..., Algorithm], dict[str, Any]]


def _algorithm(fields: Fields, floating: bool, pulses: PulseTrain) -> Found:
    """Device, class of the algorithm, and its arguments."""
    if fields.name not in COMPOUNDS:
        device = device_of(fields)
        if floating or isinstance(device, Ideal):  # pulse_type None: the weight is a number
            ideal = device if isinstance(device, Ideal) else Ideal()
            return ideal, algorithms.AnalogSGD, {"pulses": PulseTrain(pulse_type="exact")}
        return device, algorithms.AnalogSGD, {"pulses": pulses}
    if floating:
        raise BadValue("update.pulse_type", "None", f"has no counterpart in {fields.name}; write StochasticCompressed")
    fields.ignore("construction_seed", "no_self_transfer")
    return COMPOUNDS[fields.name](fields, pulses)


def _mixed_precision(fields: Fields, pulses: PulseTrain) -> Found:
    inner = fields.child("device")
    if inner is None:
        raise BadValue(fields.place("device"), "None", "has no counterpart; write the device of the tile")
    rows = fields.take("n_rows_per_transfer", -1)
    defaults: dict[str, Any] = {
        **{"transfer_every": 1, "transfer_lr": 1.0, "random_row": False, "granularity": 0.0},
        **{"n_x_bins": 0, "n_d_bins": 0, "stoc_round_x": True, "stoc_round_d": True},
    }
    arguments = {name: fields.take(name, default) for name, default in defaults.items()}
    fields.finish()
    arguments |= {"n_rows_per_transfer": rows if rows > 0 else None, "pulses": pulses}
    return device_of(inner), algorithms.MixedPrecision, arguments


def _transfers(fields: Fields, pulses: PulseTrain, one_pulse: bool, in_batches: bool) -> tuple[Any, dict[str, Any]]:
    """Devices, and the arguments that all algorithms with transfers share."""
    elements = elements_of(fields)
    reads, writes = fields.child("transfer_forward"), fields.child("transfer_update")
    trains = (ONE_PULSE if one_pulse else PulseTrain()) if writes is None else pulse_train(writes)
    if trains is None:
        raise BadValue(fields.place("transfer_update.pulse_type"), "None", "has no counterpart; write another one")
    read = io_parameters(reads)
    fast_lr = fields.take("fast_lr", 1.0)
    arguments = {
        "transfer_every": fields.take("transfer_every", 1.0),
        "transfer_lr": fields.take("transfer_lr", 1.0),
        "scale_transfer_lr": fields.take("scale_transfer_lr", True),
        "fast_lr": fast_lr if fast_lr > 0 else None,
        "units_in_mbatch": fields.take("units_in_mbatch", in_batches),
        "n_reads_per_transfer": fields.take("n_reads_per_transfer", 1),
        "transfer_columns": fields.take("transfer_columns", True),
        "transfer_io": None if read == PERFECT else read,
        "pulses": pulses,
        "transfer_pulses": trains,
    }
    return (elements[0] if all(one == elements[0] for one in elements) else elements), arguments


def _chain(fields: Fields, pulses: PulseTrain, one_pulse: bool) -> tuple[Any, dict[str, Any]]:
    """Tiki-Taka, version 1 or 2, of any number of tiles."""
    listed = fields.left.get("unit_cell_devices")
    tiles = len(listed) if isinstance(listed, list) else 0
    device, arguments = _transfers(fields, pulses, one_pulse, in_batches=True)
    arguments |= {"tiles": tiles, "gamma": fields.take("gamma", 0.0)}
    for name in ("gamma", "transfer_every", "transfer_lr"):
        arguments[name] = list(fields.take(f"{name}_vec", ()) or ()) or arguments[name]
    arguments["random_selection"] = fields.take("random_selection", False)
    return device, arguments


def _tiki_taka(fields: Fields, pulses: PulseTrain) -> Found:
    device, arguments = _chain(fields, pulses, one_pulse=False)
    arguments["with_reset_prob"] = fields.take("with_reset_prob", 0.0)
    fields.finish()
    return device, algorithms.TikiTaka, arguments


def _tiki_taka_v2(fields: Fields, pulses: PulseTrain) -> Found:
    device, arguments = _chain(fields, pulses, one_pulse=True)
    fields.only("with_reset_prob", 0.0)
    for name, default in (("thres_scale", 1.0), ("step", 1.0), ("momentum", 0.1), ("forget_buffer", True)):
        arguments[name] = fields.take(name, default)
    fields.finish()
    return device, algorithms.TikiTakaV2, arguments


def _chopped(fields: Fields, pulses: PulseTrain) -> Found:
    device, arguments = _transfers(fields, pulses, one_pulse=True, in_batches=False)
    dynamic = fields.name == "DynamicTransferCompound"
    fields.only("gamma", 0.0)
    fields.only("gamma_vec", [], [0.0, 1.0])
    for name in ("transfer_every_vec", "transfer_lr_vec"):
        fields.only(name, [])
    for name in ("random_selection", "experimental_correct_accumulation"):
        fields.only(name, False)
    fields.only("with_reset_prob", 0.0)
    defaults: dict[str, Any] = {
        **{"in_chop_prob": 0.1, "in_chop_random": not dynamic, "auto_scale": False, "auto_momentum": 0.99},
        **{"buffer_granularity": 1.0, "auto_granularity": 0.0, "correct_gradient_magnitudes": False},
        **{"momentum": 0.0, "forget_buffer": True, "step": 1.0},
    }
    if dynamic:
        fields.only("out_chop_prob", 0.0)
        fields.only("no_buffer", False)
        defaults |= {"tail_weightening": 5.0, "buffer_cap": 0.0}
    else:
        defaults |= {"out_chop_prob": 0.0, "no_buffer": False}
    arguments |= {name: fields.take(name, default) for name, default in defaults.items()}
    fields.finish()
    return device, algorithms.AGAD if dynamic else algorithms.ChoppedTikiTaka, arguments


COMPOUNDS: dict[str, Callable[[Fields, PulseTrain], Found]] = {
    "TransferCompound": _tiki_taka,
    "BufferedTransferCompound": _tiki_taka_v2,
    "ChoppedTransferCompound": _chopped,
    "DynamicTransferCompound": _chopped,
    "MixedPrecisionCompound": _mixed_precision,
}


# -- YAML --------------------------------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """A value as a config writes it; of objects what is not the default."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = {
            field.name: _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.init and not _is_default(field, getattr(value, field.name))
        }
        if not isinstance(value, Device):
            return given
        path = f"resbench.crossbar.devices.{type(value).__name__}"
        return {"class_path": path, **({"init_args": given} if given else {})}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def _is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    return field.default is not dataclasses.MISSING and bool(field.default == value)
