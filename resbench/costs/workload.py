"""The layers, the algorithms and the batch size of a config, whose cost is computed. Nothing is imported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resbench.costs.algorithms import Formula
from resbench.costs.networks import LayerShape, network_layers, select, split
from resbench.costs.settings import configured, published
from resbench.errors import BadValue


@dataclass(frozen=True)
class Workload:
    """Layers on crossbars and algorithms that train them.

    Args:
        network: Class of the network, with its arguments in the config.
        layers: The layers that are on crossbars.
        algorithms: Formulas by the heading of their column.
        batch_size: Samples in a mini-batch.
        notes: Assumptions that are not those of the model, one line each.
    """

    network: str
    layers: tuple[LayerShape, ...]
    algorithms: Mapping[str, Formula]
    batch_size: int
    notes: tuple[str, ...] = ()

    @property
    def weights(self) -> int:
        """Weights on crossbars."""
        return sum(layer.weights for layer in self.layers)


def workload(config: Mapping[str, Any], batch_size: int | None = None) -> Workload:
    """The workload of a config. Keys that are left out have the defaults of their classes.

    Args:
        config: The keys of ``resbench fit``, fragments merged.
        batch_size: Batch size to use instead of that of the config.

    Raises:
        BadValue: for a config without a network, algorithm or batch size, and for one that has no cost model.
    """
    model = _arguments(config.get("model"), "model", "resbench.tasks.Classification")
    network_name, network_arguments = _component(model.get("network"), "model.network", "resbench.networks.LeNet5")
    class_path, settings = _component(model.get("algorithm"), "model.algorithm", "resbench.algorithms.ResidualLearning")
    mapping = _mapping(model.get("mapping"), "model.mapping")
    if mapping.keys() & {"class_path", "init_args"}:  # a config may write it as an object
        mapping = _mapping(mapping.get("init_args"), "model.mapping.init_args")
    layers = select(network_layers(network_name.rpartition(".")[2], network_arguments), _patterns(model.get("layers")))
    layers = split(layers, *(_limit(mapping, name) for name in ("max_input_size", "max_output_size")))
    if batch_size is None:
        batch_size = _arguments(config.get("data"), "data", "resbench.data.MNISTData").get("batch_size")
    if type(batch_size) is not int:
        raise BadValue("data.batch_size", batch_size, "in the config; write it there, or --batch-size 8")
    columns, notes = algorithm_columns(class_path, settings)
    if mapping.get("digital_bias") is False:
        notes = (*notes, "mapping.digital_bias: false puts one more column on each array, which is not counted")
    arguments = ", ".join(f"{key}={value}" for key, value in network_arguments.items())
    name = network_name.rpartition(".")[2]
    return Workload(f"{name}({arguments})" if arguments else name, layers, columns, batch_size, notes)


def algorithm_columns(class_path: str, settings: Mapping[str, Any]) -> tuple[dict[str, Formula], tuple[str, ...]]:
    """The columns of an algorithm by heading, with its published formula and with its own periods, and notes."""
    formula = published(class_path, settings)
    own, line = configured(class_path, settings)
    columns = {formula.name: formula}
    if own is None:
        return columns, (line,) if line else ()
    heading = f"{formula.name}, own periods"
    return columns | {heading: own}, (f"{heading}: {line}",)


def _component(value: Any, key: str, example: str) -> tuple[str, Mapping[str, Any]]:
    """Class path and arguments; a string alone is a class without arguments."""
    if isinstance(value, str):
        return value, {}
    if not isinstance(value, Mapping) or not isinstance(value.get("class_path"), str):
        raise BadValue(key, "the config", f"names no class; write class_path: {example}")
    return value["class_path"], _mapping(value.get("init_args"), f"{key}.init_args")


def _arguments(value: Any, key: str, example: str) -> Mapping[str, Any]:
    """The arguments of a component, whatever its class."""
    if not isinstance(value, Mapping):
        raise BadValue(key, "missing", f"in the config; write class_path: {example} with init_args")
    return _mapping(value.get("init_args"), f"{key}.init_args")


def _mapping(value: Any, key: str) -> Mapping[str, Any]:
    """Values by name; none if they are left out."""
    if value is not None and not isinstance(value, Mapping):
        raise BadValue(key, repr(value), "is no mapping of names to values; leave it out, or write some")
    return value or {}


def _patterns(value: Any) -> Sequence[str]:
    """Patterns of the names of layers; all layers if they are left out."""
    if value is not None and not (isinstance(value, list | tuple) and all(isinstance(part, str) for part in value)):
        raise BadValue("model.layers", repr(value), "is no list of names; write for example [fc1]")
    return value or ["*"]


def _limit(mapping: Mapping[str, Any], name: str) -> int:
    """The most lines of an array; 0 for no limit."""
    value = mapping.get(name, 0)
    if type(value) is not int or value < 0:
        raise BadValue(f"model.mapping.{name}", repr(value), "is no size; write a whole number, or 0 for no limit")
    return value
