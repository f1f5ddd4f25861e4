import math

from resbench.costs import CostModel, agad, lenet5, mixed_precision, residual, resnet, tt_v1
from resbench.costs.report import to_markdown


def test_each_row_prints_the_models_own_numbers_and_marks_what_is_derived() -> None:
    text = to_markdown("LeNet-5", lenet5(), [tt_v1(), agad(), mixed_precision(), residual(4)], CostModel(batch_size=8))
    rows = {
        row.split(" | ")[0].strip("| "): row.strip("| ").split(" | ")[1:] for row in text.splitlines() if "nJ" in row
    }
    assert rows["MP"][1:5] == ["97,056 B (97.056 kB)", "160,032", "161,097", "831.909 ns"]
    assert rows["Residual learning"][4:7] == ["87.7264 ns", "95.8514 ns", "~47.32 µs"]
    assert rows["AGAD"][4] == "62.1286 ns"
    assert rows["AGAD"][9] == "~3 / 1"
    assert rows["TT-v1"][4] == "~63.3514 ns"


def test_every_assumption_is_printed() -> None:
    text = to_markdown("ResNet-18", resnet(18, 100), [residual(math.inf)], CostModel(batch_size=128), slips=False)
    for assumption in (
        "100 outputs of the last layer, batch 128",
        "convention paper",
        "per vector pair, not per image",
        "the bias is digital",
        "not split: more than 4096 lines in layer4.0.conv2, layer4.1.conv1, layer4.1.conv2",
        "n_s = 2: samples between two reads of the fast tile (P, R)",
        "E_MP,u = 62.03",
    ):
        assert assumption in text


def test_numbers_that_only_a_slip_explains_are_shown_as_printed_not_as_results() -> None:
    model = CostModel(batch_size=8)
    assert "457.4" not in to_markdown("LeNet-5", lenet5(), [mixed_precision()], model, slips=False)
    slips = to_markdown("LeNet-5", lenet5(), [mixed_precision()], model).partition("Published numbers")[2]
    assert "457.4 and 13528.0 ns (floating point 13508.0); formula: 831.9 and 27009.7 ns" in slips
