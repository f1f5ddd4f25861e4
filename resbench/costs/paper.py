"""Numbers that are printed in the literature, and where the stated formulas give others.

None of them is a result of the model. Sources: P is arXiv:2510.02516 (Tables 5 to 8, appendix I), R is Rasch et al.,
Nat. Commun. 15, 7133 (2024). The arithmetic of the tables was not published; the explanations are those that fit.
"""

from dataclasses import dataclass
from typing import Literal

Row = Literal["Analog SGD", "TT-v2", "MP", "Residual learning"]
Column = Literal["square512", "lenet5", "resnet18"]

#: Tables 5 and 7: time per vector pair, ns.
PRINTED_LATENCY_NS: dict[Column, dict[Row, float]] = {
    "square512": {"Analog SGD": 30.9, "TT-v2": 56.3, "MP": 3024.5, "Residual learning": 95.9},
    "lenet5": {"Analog SGD": 30.9, "TT-v2": 56.3, "MP": 457.4, "Residual learning": 95.9},
    "resnet18": {"Analog SGD": 77.7, "TT-v2": 126.5, "MP": 13528.0, "Residual learning": 142.7},
}
#: Text of appendix I.2: the floating-point part of the MP time for ResNet-18, ns.
PRINTED_MP_FP_NS = 13508.0
#: Table 6: digital storage, "KB".
PRINTED_STORAGE_KB: dict[Column, dict[Row, float]] = {
    "lenet5": {"Analog SGD": 2.13, "TT-v2": 80.2, "MP": 94.8, "Residual learning": 2.13},
    "resnet18": {"Analog SGD": 50.2, "TT-v2": 10600.0, "MP": 17000.0, "Residual learning": 50.2},
}


@dataclass(frozen=True)
class Slip:
    """A published number that the stated formula does not give, with the likely reason and how certain it is.

    ``about`` names the networks (by class) and the algorithms that it concerns. ``place`` and ``reason`` do not repeat
    the printed number, because they are shown beside results.
    """

    about: frozenset[str]
    place: str
    printed: str
    formula: str
    reason: str
    confidence: str


SLIPS = (
    Slip(
        about=frozenset({"LeNet5"}),
        place="P, Table 6, LeNet-5, storage of TT-v2 and MP",
        printed="80.2 and 94.8 KB",
        formula="82.146 and 97.056 kB",
        reason="these two cells are KiB (80.22 and 94.78), those of Analog SGD and residual learning are kB",
        confidence="high for MP; the other alone has another reading",
    ),
    Slip(
        about=frozenset({"LeNet5", "ResNet18"}),
        place="P, text on Table 6, ratios of storage",
        printed="37x, 44x, 339x",
        formula="38.57x, 45.57x, 338.00x",
        reason="quotients of printed cells, truncated for LeNet-5 and rounded for ResNet-18",
        confidence="medium",
    ),
    Slip(
        about=frozenset({"ResNet18"}),
        place="P, Table 6, ResNet-18, storage of TT-v2 and MP, and area",
        printed="10,600 and 17,000 KB; 1.69 mm²",
        formula="10,541 and 16,913 kB, 1.679 mm² for CIFAR-10, to which the text points",
        reason="a head of 100 classes: 10,587 and 16,959 kB, 1.686 mm²",
        confidence="high",
    ),
    Slip(
        about=frozenset({"MP"}),
        place="P, Table 7, latency of MP",
        printed="457.4 and 13528.0 ns (floating point 13508.0)",
        formula="831.9 and 27009.7 ns (26989.7)",
        reason="a factor of 2 is lost: in·out + in operations were used; Table 5 and the text say 2·in·out",
        confidence="high",
    ),
    Slip(
        about=frozenset({"MP"}),
        place="P, text on Table 7, latency of MP over residual learning",
        printed="4.8x and 94.7x",
        formula="8.68x and 189.3x",
        reason="they inherit the lost factor 2, which understates the advantage, and one leaves out 20 ns",
        confidence="high; the last a guess",
    ),
    Slip(
        about=frozenset({"LeNet5"}),
        place="P, Table 7, LeNet-5, order of MP and residual learning",
        printed="MP slower than residual learning",
        formula="per vector pair 831.9 against 95.9 ns, per image 9.5 against 52.0 µs",
        reason="the table is per vector pair; MP writes once an image, pulses come for each vector of a convolution",
        confidence="high",
    ),
    Slip(
        about=frozenset({"MP"}),
        place="P, Figure 4, latency at D = 32, B = 4",
        printed="1.8, 97.9, 3.1",
        formula="1.89, 2.05, 3.56: at that size MP is faster than residual learning",
        reason="the bars divide the rounded times of Table 5, which are for D = 512, B = 100",
        confidence="high",
    ),
    Slip(
        about=frozenset({"Residual learning"}),
        place="P, pulse-update energy",
        printed="5.53 nJ",
        formula="5.533 with 1295 lines, 5.537 with the 1296 that 198,760 synapses imply",
        reason="the bias line of the hidden layer is in the synapses, not in the power",
        confidence="medium",
    ),
    Slip(
        about=frozenset({"LeNet5", "ResNet18"}),
        place="P, areas of LeNet-5 and ResNet-18",
        printed="0.0128 and 1.69 mm²",
        formula="0.1024 and 13.49 mm² unstacked, for pairs of devices on 4 tiles",
        reason="one plane: no pair, no tiles, as if all planes were stacked",
        confidence="high",
    ),
)
