import math

from resbench.costs import (
    CostModel,
    Formula,
    LayerShape,
    Workload,
    agad,
    lenet5,
    mixed_precision,
    residual,
    resnet,
    tt_v1,
)
from resbench.costs.report import as_printed, to_markdown


def work(network: str, layers: tuple[LayerShape, ...], batch_size: int, *algorithms: Formula) -> Workload:
    return Workload(network, layers, {algorithm.name: algorithm for algorithm in algorithms}, batch_size)


def cells(text: str) -> dict[str, list[str]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {name: values for name, *values in rows}


def test_each_column_prints_the_models_own_numbers_and_marks_what_is_derived() -> None:
    algorithms = tt_v1(), agad(), mixed_precision(), residual(4)
    rows = cells(to_markdown(work("LeNet5", lenet5(), 8, *algorithms), CostModel(batch_size=8)))
    assert rows[""] == ["TT-v1", "AGAD", "MP", "Residual learning"]
    assert rows["latency per vector pair"] == ["~63.3514 ns", "62.1286 ns", "831.909 ns", "87.7264 ns"]
    assert rows["latency, bound N → ∞"] == ["-", "-", "-", "95.8514 ns"]
    assert rows["latency per image"][2:] == ["~9.529 µs", "~47.32 µs"]
    assert rows["digital storage"][2] == "97,056 B (97.056 kB)"
    assert rows["memory operations"][2] == "160,032 bit"
    assert rows["FP operations"][2] == "161,097"
    assert rows["planes / stack"] == ["~4 / 1", "~3 / 1", "2 / 1", "8 / 1"]
    assert rows["area"][3] == "0.1024 mm²"
    assert rows["devices"][3] == "640,128"


def test_kib_and_layers_are_shown_on_request() -> None:
    text = to_markdown(work("LeNet5", lenet5(), 8, mixed_precision()), CostModel(batch_size=8), kib=True, layers=True)
    assert cells(text)["digital storage, KiB"] == ["94.7812 KiB"]
    assert cells(text)["conv2"][:2] == ["32 x 400", "64"]


def test_every_assumption_is_printed() -> None:
    text = to_markdown(work("ResNet18", resnet(18, 100), 128, residual(math.inf)), CostModel(batch_size=128))
    for assumption in (
        "batch 128, 100 outputs of the last layer",
        "convention paper",
        "per vector pair, not per image",
        "the bias is digital",
        "not split: more than 4096 lines in layer4.0.conv2, layer4.1.conv1, layer4.1.conv2",
        "n_s = 2: samples between two reads of the fast tile (P, R)",
        "E_MP,u = 62.03",
        "0.1024 and 13.49 mm² unstacked",
    ):
        assert assumption in text


def test_numbers_that_only_a_slip_explains_are_shown_as_printed_never_as_results() -> None:
    text = to_markdown(work("LeNet5", lenet5(), 8, mixed_precision()), CostModel(batch_size=8))
    assert not any(slip in text for slip in ("457.4", "13528"))
    assert "Table 7, latency of MP: 831.9 and 27009.7 ns (26989.7); likely a factor of 2 is lost" in text
    printed = [line for line in as_printed().splitlines() if "457.4" in line]
    assert [cell.strip() for cell in printed[0].strip("|").split("|")] == [
        "LeNet-5 (Tables 6, 7)",
        "MP",
        "latency, ns",
        "457.4",
        "831.909",
        "+81.88%",
    ]
