"""Replay vectors of the cost model ("cost-vectors/1"): recompute each value and compare it with the printed number.

A vector has a metric, its inputs, ``computed`` and ``tool_should_print``. ``computed`` is the value for these inputs;
some vectors also try out a choice that the publication does not state. ``tool_should_print`` is the value of the model
without such a choice. If the inputs do not have the algorithm or the network, they are in the vector's id or its text,
or the vector varies the one whose id is its cell. Both values must be reproduced, and ``printed`` must compare as
``match`` says.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from resbench.costs import (
    CostModel,
    DigitalGradient,
    Formula,
    Hardware,
    LayerShape,
    NetworkCost,
    agad,
    analog_sgd,
    break_even_tiles,
    c_tt_v2,
    energy,
    mixed_precision,
    plane_area_mm2,
    residual,
    tt_v1,
    tt_v2,
)
from resbench.costs.paper import PRINTED_LATENCY_NS, PRINTED_MP_FP_NS, PRINTED_STORAGE_KB
from tests.conformance.result import CannotInterpret, Result, result_of

#: Constants by their name in the documents, and in :class:`Hardware`.
CONSTANTS = {
    "n_s": "samples_per_read",
    "l_avg": "mean_pulses",
    "l_max": "max_pulses",
    "t_sp": "pulse_ns",
    "t_sp_ns": "pulse_ns",
    "t_M": "mvm_ns",
    "t_M_ns": "mvm_ns",
    "phases": "phases",
    "flops_core": "core_flops",
    "share": "crossbars_per_core",
    "bits": "word_bits",
    "pitch_um": "pitch_um",
    "P_ref": "reference_power_w",
    "D_ref": "reference_tile",
    "E_fwd": "forward_nj",
    "E_bwd": "backward_nj",
    "E_mp_upd": "mp_update_nj",
    "E_mp_prop": "mp_propagate_nj",
    "ref_syn": "reference_synapses",
    "ref_lines": "reference_lines",
}
NETWORK_KEYS = {"model", "D", "layers", "in", "out", "reuse", "bias"}
MODEL_KEYS = {
    "B",
    "convention",
    "conv",
    "transfer",
    "kb",
    "field",
    "lines",
    "synapses",
    "devices_per_weight",
    "stack",
    "flops",
}
ALGORITHM_KEYS = {"algorithm", "tiles", "bound_tiles", "periods", "units_in_mbatch", "charge_hops", "beta", "mp_factor"}
KEYS = CONSTANTS.keys() | NETWORK_KEYS | MODEL_KEYS | ALGORITHM_KEYS

ALGORITHMS = ("cttv2", "ttv2", "ttv1", "agad", "residual", "ours", "sgd", "mp")
PRINTED_ROWS = {"sgd": "Analog SGD", "ttv2": "TT-v2", "mp": "MP", "residual": "Residual learning"}
NETWORK_METRICS: dict[str, Callable[[NetworkCost], float]] = {
    "latency": lambda cost: cost.latency_ns,
    "image_latency": lambda cost: cost.image_ns,
    "storage": lambda cost: cost.storage_bytes,
    "memory_bits": lambda cost: cost.memory_bits,
    "fp_ops": lambda cost: max(layer.fp_ops for layer in cost.layers),
    "analog": lambda cost: max(layer.analog_ns for layer in cost.layers),
    "input_load_bits": lambda cost: sum(layer.input_load_bits for layer in cost.layers),
}


def replay(document: dict[str, Any]) -> list[Result]:
    """The results of all vectors of a document."""
    return [result_of(vector, lambda vector: _complaints(vector, document)) for vector in document["vectors"]]


def _complaints(vector: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """The first value of a vector that the model does not reproduce; empty if there is none."""
    stated = Reading(vector, document, as_stated=True).value()
    default = Reading(vector, document, as_stated=False).value()
    tolerance = {"exact": 1e-9, "approx": 1e-6}[vector["expected_flag"]]
    for name, value in (("computed", stated), ("tool_should_print", default)):
        if not math.isclose(value, vector[name], rel_tol=tolerance):
            return [f"{name}: {value!r} is not {vector[name]!r}"]
    if vector["printed"] is not None:
        matches = _prints_as(stated, vector["printed"], vector["relation"], vector["printed_step"])
        if matches != vector["match"] or matches == (vector["status"] == "mismatch"):
            return [f"printed: {stated!r} {'matches' if matches else 'does not match'} {vector['printed']!r}"]
    return []


def _prints_as(value: float, printed: float, relation: str, step: float | None) -> bool:
    if relation == "about":
        return math.isclose(value, printed, rel_tol=0.03)
    if relation == "exceeds":
        return value > printed
    if relation == "input":
        return value == printed
    if relation in ("rounds", "truncates") and step is not None:
        slack = 1e-9 * abs(printed)
        low, high = (-step / 2, step / 2) if relation == "rounds" else (0, step)
        return low - slack <= value - printed <= high + (slack if relation == "rounds" else -slack)
    raise CannotInterpret(f"relation {relation!r} with step {step!r}")


@dataclass(frozen=True)
class Reading:
    """One vector, read with the choice that it states, or without it, as the model works by default."""

    vector: dict[str, Any]
    document: dict[str, Any]
    as_stated: bool

    @property
    def inputs(self) -> dict[str, Any]:
        """Its own inputs. Without a network, they are added to the stated inputs of the vector that it varies."""
        own: dict[str, Any] = self.vector["inputs"]
        if own.keys() & NETWORK_KEYS or _network_in(self.vector["id"]):
            return own
        cell, base = self.vector["cell"], dict[str, Any]()
        for other in self.document["vectors"]:
            if other["id"] == cell:
                base = other["inputs"]
        return base | own if self.as_stated else own | base

    @property
    def quantity(self) -> str:
        return str(self.vector["quantity"])

    def value(self) -> float:
        if unknown := self.inputs.keys() - KEYS:
            raise CannotInterpret(f"inputs {sorted(unknown)}")
        metric: str = self.vector["metric"]
        if metric == "ratio":
            return self._bare_ratio()
        if metric.startswith("ratio of "):
            return self._ratio(metric.removeprefix("ratio of "))
        if metric == "energy_nj":
            return self._energy()
        if metric == "area_mm2":
            return self._area()
        return self._metric(metric, self._algorithm(), self._hardware())

    # The model's ingredients

    def _hardware(self) -> Hardware:
        given = self.document["constants"] | {key: self.inputs[key] for key in self.inputs.keys() & CONSTANTS.keys()}
        hardware = Hardware(**{CONSTANTS[key]: value for key, value in given.items()})
        if "flops" in self.inputs:  # the rate of one crossbar
            hardware = replace(hardware, core_flops=self.inputs["flops"] * hardware.crossbars_per_core)
        return hardware

    def _model(self, hardware: Hardware) -> CostModel:
        named = str(self.inputs.get("model", self.vector["id"]))
        published = 8 if "lenet" in named else 128 if "resnet" in named else 100
        return CostModel(
            batch_size=self.inputs.get("B", published),
            convention=self.inputs.get("convention", self.inputs.get("conv", "paper")),
            transfer=self.inputs.get("transfer", "column"),
            hardware=hardware,
        )

    def _layers(self) -> list[LayerShape]:
        inputs = self.inputs
        if "layers" in inputs:
            shapes = [(entry["in"], entry["out"]) if isinstance(entry, dict) else entry for entry in inputs["layers"]]
            return [LayerShape(str(index), *shape) for index, shape in enumerate(shapes)]
        if "D" in inputs:
            return [LayerShape("square", inputs["D"], inputs["D"], inputs.get("reuse", 1))]
        if "in" in inputs:
            return [LayerShape("layer", inputs["in"], inputs["out"], inputs.get("reuse", 1))]
        bias = 1 if self.as_stated and inputs.get("bias") else 0
        layers = self.document["models"][inputs["model"] if "model" in inputs else self._model_in_text()]
        return [LayerShape(layer["name"], layer["in"] + bias, layer["out"], layer["reuse"]) for layer in layers]

    def _model_in_text(self) -> str:
        """The network that the id names; ResNets of the tables have 100 classes."""
        name = _network_in(self.vector["id"])
        if name is None:
            raise CannotInterpret("no network is named")
        return name if name in self.document["models"] else f"{name}_c100"

    def _algorithm(self, name: str | None = None) -> Formula:
        inputs = self.inputs
        name = name or inputs.get("algorithm") or _algorithm_in(self.vector["id"]) or _algorithm_in(self.quantity)
        if name == "residual":
            periods, in_batches = self._periods()
            tiles = _tiles(inputs.get("tiles"))
            return residual(
                None if periods is not None and tiles == math.inf else tiles,
                periods=periods,
                periods_in_batches=in_batches,
                charge_hops=bool(inputs.get("charge_hops", False)),
            )
        if name == "mp":
            return DigitalGradient(ops_per_weight=self._mp_factor()) if self.as_stated else mixed_precision()
        if name == "agad":
            return agad(beta_one=inputs.get("beta") == 1)
        if name not in (factories := {"sgd": analog_sgd, "ttv1": tt_v1, "ttv2": tt_v2, "cttv2": c_tt_v2}):
            raise CannotInterpret(f"algorithm {name!r}")
        return factories[name]()

    def _periods(self) -> tuple[tuple[float, ...] | None, bool]:
        """Explicit periods, and whether they count batches of the model's size."""
        periods, in_batches = self.inputs.get("periods"), bool(self.inputs.get("units_in_mbatch", False))
        if periods is None:
            return None, False
        batch = re.search(r"batch\w* of (\d+)", self.quantity)  # a batch that differs from the model's
        if batch and (in_batches or ",".join(map(str, periods)) in self.quantity):
            return tuple(period * int(batch[1]) for period in periods), False
        return tuple(periods), in_batches

    def _mp_factor(self) -> int:
        """Operations for each weight that the vector tries out, as an input or as the formula in its text."""
        lost_factor = re.search(r"(?<!2\*)in\*out\+in", self.quantity)
        return int(self.inputs.get("mp_factor", 1 if lost_factor else 2))

    # The metrics

    def _metric(self, metric: str, algorithm: Formula, hardware: Hardware) -> float:
        base, _, divisor = metric.partition("/")
        name = re.sub(r"^model_|_ns$|_bytes$", "", base)
        if name not in NETWORK_METRICS:
            raise CannotInterpret(f"metric {metric!r}")
        value = NETWORK_METRICS[name](self._model(hardware).cost(self._layers(), algorithm))
        if divisor == "rate":
            return value / hardware.ops_per_ns
        if divisor == "kb":
            return value / (self.inputs["kb"] if self.as_stated else 1000)
        if divisor:
            raise CannotInterpret(f"metric {metric!r}")
        return value

    def _energy(self) -> float:
        hardware = self._hardware()
        if "synapses" in self.quantity and "field" not in self.inputs:
            return float(hardware.reference_synapses)
        if "tile count" in self.quantity or "break-even" in self.quantity:
            tiles = break_even_tiles(hardware)
            return math.floor(tiles) + 1 if "smallest" in self.quantity else tiles
        layers = self._layers()
        counted = sum(layer.weights for layer in layers)
        if self.inputs.get("synapses", counted) != counted:
            raise CannotInterpret(f"{self.inputs['synapses']} synapses of a network that has {counted}")
        result = energy(
            layers,
            self._algorithm(),
            self._model(hardware),
            update_tiles=_tiles(self.inputs.get("bound_tiles")),
            lines=self.inputs.get("lines") if self.as_stated else None,
        )
        fields = {
            "power_w": result.power_w,
            "pulse": result.pulse_nj,
            "transfer": result.transfer_nj,
            "update": result.update_nj,
            "prop": result.propagate_nj,
            "total": result.total_nj,
        }
        return fields[self.inputs["field"]]

    def _area(self) -> float:
        inputs, hardware = self.inputs, self._hardware()
        planes = float(inputs.get("tiles") or 1) * float(inputs.get("devices_per_weight", 1))
        if "algorithm" in inputs:
            planes = self._algorithm().device_planes
        return sum(plane_area_mm2(layer, hardware) for layer in self._layers()) * planes / float(inputs.get("stack", 1))

    def _ratio(self, metric: str) -> float:
        """A metric of one algorithm over that of another, named as "A / B", or as "metric / B, A" with A in the id."""
        if self.as_stated and "rounded Table 5 values" in self.quantity:
            return self._printed("square512", PRINTED_LATENCY_NS)
        above, below = self._pair()
        hardware = self._hardware()
        lower = hardware
        if fast := re.search(r"n_s=(\d+)", self.quantity):  # R compares with an AGAD that reads seldom and pulses once
            lower = replace(hardware, samples_per_read=int(fast[1]), mean_pulses=1)
        upper = self._metric(metric, self._algorithm(above), hardware)
        return upper / self._metric(metric, self._algorithm(below), lower)

    def _bare_ratio(self) -> float:
        """A ratio whose metric follows from where it is printed: planes, storage (Table 6), else latency."""
        if planes := re.match(r"(\d+) tiles / (\S+) planes", self.quantity):
            below = self._algorithm(_algorithm_in(planes[2]))
            return residual(int(planes[1])).device_planes / below.device_planes
        storage = self.vector["id"].startswith("T6")
        if self.as_stated and ("printed cells" in self.quantity or "FP part only" in self.quantity):
            column = next(name for name in ("lenet5", "resnet18", "square512") if name in self.vector["id"])
            return self._printed(column, PRINTED_STORAGE_KB if storage else PRINTED_LATENCY_NS)
        return self._ratio("storage_bytes" if storage else "latency_ns")

    def _printed(self, column: str, cells: Mapping[Any, Mapping[Any, float]]) -> float:
        above, below = (PRINTED_ROWS[name] for name in self._pair())
        if "FP part only" in self.quantity:
            return PRINTED_MP_FP_NS / cells[column][below]
        return cells[column][above] / cells[column][below]

    def _pair(self) -> tuple[str, str]:
        left, _, right = self.quantity.partition("/")
        above = _algorithm_in(left) or self.inputs.get("algorithm") or _algorithm_in(self.vector["id"])
        below = _algorithm_in(right.split(",")[0])
        if above is None or below is None:
            raise CannotInterpret(f"no two algorithms in {self.quantity!r}")
        return above, below


def _tiles(value: str | float | None) -> float | None:
    return None if value is None else float(value)


def _network_in(text: str) -> str | None:
    """The network that an id names."""
    return next((name for name in ("lenet5", "resnet18", "resnet34") if name in text), None)


def _algorithm_in(text: str) -> str | None:
    """The algorithm that a text or an id names: "TT-v2", "c-TTv2", "agad_ns10", "Ours"."""
    words: Sequence[str] = re.findall(r"[a-z]+[0-9]*", text.lower().replace("-", "").replace("_", " "))
    name = next((word for word in words if word in ALGORITHMS), None)
    return "residual" if name == "ours" else name
