"""Numbers printed in the literature, and where the stated formulas do not give them.

They are never the model's own results. Sources: P is arXiv:2510.02516 (Tables 5 to 8, appendix I), R is Rasch et al.,
Nat. Commun. 15, 7133 (2024). The explanations were found by search over readings; the arithmetic was not published.
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
    """A printed number that the stated formula does not give, the likely reason, and how sure that is."""

    printed: str
    formula: str
    reason: str
    confidence: str


SLIPS = (
    Slip(
        "P, Table 6, LeNet-5: TT-v2 80.2, MP 94.8 KB",
        "82.146 and 97.056 kB",
        "these two cells are KiB (80.22, 94.78), those of Analog SGD and residual learning (2.13) are kB",
        "high for MP; 80.2 alone has another reading",
    ),
    Slip(
        "P, text on Table 6: 37x, 44x, 339x",
        "38.57x, 45.57x, 338.00x",
        "quotients of printed cells, truncated for LeNet-5 and rounded for ResNet-18",
        "medium",
    ),
    Slip(
        "P, Table 6, ResNet-18: 10,600 and 17,000 KB; area 1.69 mm²",
        "10,541 and 16,913 kB, 1.679 mm² for CIFAR-10, to which the text points",
        "a head of 100 classes: 10,587 and 16,959 kB, 1.686 mm²",
        "high",
    ),
    Slip(
        "P, Table 7, MP: 457.4 and 13528.0 ns (floating point 13508.0)",
        "831.9 and 27009.7 ns (26989.7)",
        "in·out + in operations were used; Table 5 and the text say 2·in·out",
        "high",
    ),
    Slip(
        "P, text on Table 7: 4.8x and 94.7x",
        "8.68x and 189.3x",
        "they inherit the lost factor 2, which understates the advantage; 94.7 is 13508.0/142.7, without the 20 ns",
        "high; the last a guess",
    ),
    Slip(
        "P, Figure 4, latency at D = 32, B = 4: 1.8, 97.9, 3.1",
        "1.89, 2.05, 3.56: at that size MP is faster than residual learning",
        "the bars divide the rounded times of Table 5, which are for D = 512, B = 100",
        "high",
    ),
    Slip(
        "P, pulse-update energy 5.53 nJ",
        "5.533 with 1295 lines, 5.537 with the 1296 that 198,760 synapses imply",
        "the bias line of the hidden layer is in the synapses, not in the power",
        "medium",
    ),
)
