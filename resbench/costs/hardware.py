"""The constants of the cost model, each with its meaning and its source."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

from resbench.errors import BadValue


def _constant(value: float, symbol: str, meaning: str, source: str) -> Any:
    return field(default=value, metadata={"symbol": symbol, "meaning": meaning, "source": source})


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Timing, area and energy of one crossbar and its digital core.

    Every figure is a published estimate; none was measured. Sources: P is arXiv:2510.02516, appendix I; R is Rasch et
    al., Nat. Commun. 15, 7133 (2024), Table 1 and Methods. The energies of mixed precision are quoted by P; they
    were not found in the source that it cites.

    Raises:
        BadValue: for a constant that is not a number above 0.
    """

    samples_per_read: float = _constant(2, "n_s", "samples between two reads of the fast tile", "P, R")
    mean_pulses: float = _constant(5, "l_avg", "mean length of a pulse train", "P, R")
    max_pulses: float = _constant(5, "l_max", "longest pulse train", "R")
    pulse_ns: float = _constant(5.0, "t_sp", "ns of one pulse", "P, R")
    mvm_ns: float = _constant(40.0, "t_M", "ns of one analog matrix-vector product or column read", "P, R")
    phases: int = _constant(
        1, "phases", "up and down pulses together (1, as in the tables) or in sequence (2)", "R, Methods"
    )
    core_flops: float = _constant(
        0.7e12, "F_core", "operations a second of one digital core", "R, reading its GFLOPS as TFLOPS"
    )
    crossbars_per_core: int = _constant(4, "share", "crossbars that share one core", "R")
    word_bits: int = _constant(8, "q", "bits of a digital word", "P, R")
    pitch_um: float = _constant(0.4, "pitch", "µm from device to device", "P, after Gokmen & Vlasov 2016")
    reference_power_w: float = _constant(
        0.7, "P_ref", "W of op-amps and translators of the reference tile", "quoted by P"
    )
    reference_tile: int = _constant(4096, "D_ref", "rows, and columns, of the reference tile", "quoted by P")
    forward_nj: float = _constant(
        7.29, "E_f", "nJ of an analog forward pass of the reference perceptron", "quoted by P"
    )
    backward_nj: float = _constant(2.15, "E_b", "nJ of an analog backward pass of it", "quoted by P")
    mp_update_nj: float = _constant(62.03, "E_MP,u", "nJ of a mixed-precision update of it", "quoted by P")
    mp_propagate_nj: float = _constant(
        21.21, "E_MP,p", "nJ of its mixed-precision forward and backward pass", "quoted by P"
    )
    reference_synapses: int = _constant(198_760, "synapses", "of the reference perceptron, hidden bias counted", "P")
    reference_lines: int = _constant(1295, "lines", "input and output lines of the reference perceptron", "P")

    def __post_init__(self) -> None:
        for constant in fields(self):
            value = getattr(self, constant.name)
            if not 0 < value < math.inf:
                raise BadValue(constant.name, value, f"; write a number above 0, as published {constant.default:g}")
        if self.phases not in (1, 2):
            raise BadValue("phases", self.phases, "; write 1 or 2")

    @property
    def ops_per_ns(self) -> float:
        """F, the floating-point operations per ns that are available to one crossbar; 175 by default."""
        return self.core_flops / self.crossbars_per_core / 1e9

    @property
    def word_bytes(self) -> float:
        """Bytes of a digital word."""
        return self.word_bits / 8

    def describe(self) -> list[str]:
        """One line for each constant: symbol, value, meaning and source."""
        return [
            f"{constant.metadata['symbol']} = {getattr(self, constant.name):g}: {constant.metadata['meaning']} "
            f"({constant.metadata['source']})"
            for constant in fields(self)
        ]
