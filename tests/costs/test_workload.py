import copy
from typing import Any

import pytest

from resbench.costs import InMemory, workload

CONFIG: dict[str, Any] = {
    "model": {
        "class_path": "resbench.tasks.Classification",
        "init_args": {
            "network": {"class_path": "resbench.networks.ResNet34", "init_args": {"classes": 100}},
            "layers": ["layer3", "layer4", "fc"],
            "algorithm": {"class_path": "resbench.algorithms.ResidualLearning", "init_args": {"tiles": 6}},
        },
    },
    "data": {"class_path": "resbench.data.CIFAR100Data", "init_args": {"batch_size": 128}},
}


def changed(**model: Any) -> dict[str, Any]:
    config = copy.deepcopy(CONFIG)
    config["model"]["init_args"] |= model
    return config


def test_a_config_names_layers_algorithm_and_batch() -> None:
    work = workload(CONFIG)
    assert (work.network, work.batch_size, work.weights) == ("ResNet34(classes=100)", 128, 19_974_144)
    assert list(work.algorithms) == ["Residual learning", "Residual learning, own periods"]
    assert work.notes == ("Residual learning, own periods: periods of the config: 2, 10, 50, 250, 1250 mini-batches",)
    formula = work.algorithms["Residual learning"]
    assert isinstance(formula, InMemory)
    assert formula.tiles == 6
    assert workload(CONFIG, batch_size=8).batch_size == 8


def test_where_the_config_is_silent_the_defaults_of_the_classes_count() -> None:
    work = workload(changed(network="LeNet5", layers=None, algorithm={"class_path": "MixedPrecision"}))
    assert (work.network, work.weights, list(work.algorithms)) == ("LeNet5", 80_016, ["MP"])


def test_the_mapping_splits_layers_and_an_analog_bias_is_said_not_to_count() -> None:
    mapping = {"max_input_size": 512, "max_output_size": 512, "digital_bias": False}
    work = workload(changed(mapping=mapping))
    assert workload(changed(mapping={"class_path": "MappingParameters", "init_args": mapping})) == work
    assert max(layer.in_features for layer in work.layers) <= 512
    assert work.weights == 19_974_144
    assert "not counted" in work.notes[-1]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "model: missing in the config; write class_path: resbench.tasks"),
        (changed(network=None), "model.network: the config names no class; write class_path: resbench.networks"),
        (changed(algorithm=None), "model.algorithm: the config names no class"),
        (
            changed(algorithm={"class_path": "resbench.algorithms.DigitalSGD"}),
            "DigitalSGD has no devices, and so no cost on crossbars",
        ),
        (
            CONFIG | {"model": {"init_args": [1]}},
            r"model.init_args: \[1\] is no mapping of names to values; leave it out",
        ),
        (changed(mapping=5), "model.mapping: 5 is no mapping of names to values; leave it out, or write some"),
        (changed(mapping={"max_input_size": "a"}), "model.mapping.max_input_size: 'a' is no size; write a whole numb"),
        (changed(mapping={"max_output_size": -1}), "model.mapping.max_output_size: -1 is no size; write a whole numb"),
        (changed(layers=5), r"model.layers: 5 is no list of names; write for example \[fc1\]"),
        (changed(layers="fc"), r"model.layers: 'fc' is no list of names; write for example \[fc1\]"),
        (
            changed(network={"class_path": "MLP", "init_args": [1]}),
            r"model.network.init_args: \[1\] is no mapping of na",
        ),
        (
            changed(algorithm={"class_path": "TikiTaka", "init_args": "a"}),
            "model.algorithm.init_args: 'a' is no mapping",
        ),
        (CONFIG | {"data": {"init_args": 5}}, "data.init_args: 5 is no mapping of names to values"),
        (CONFIG | {"data": {"init_args": {"batch_size": True}}}, "data.batch_size: True in the config; write it there"),
        (CONFIG | {"data": {"class_path": "MNISTData"}}, "data.batch_size: None in the config; write it there"),
    ],
)
def test_what_cannot_be_costed_is_refused_by_key(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        workload(config)
