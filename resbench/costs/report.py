"""A cost table as Markdown, with every assumption under it."""

import math
from collections.abc import Sequence

from resbench.costs.algorithms import Algorithm, InMemory
from resbench.costs.energy import energy
from resbench.costs.model import CostModel, NetworkCost
from resbench.costs.networks import LayerShape
from resbench.costs.paper import SLIPS

COLUMNS = (
    "algorithm",
    "tiles",
    "digital storage",
    "memory ops, bit",
    "FP ops",
    "latency per vector pair",
    "N → ∞",
    "latency per image",
    "energy",
    "devices",
    "planes / stack",
    "area, mm²",
)


def to_markdown(
    network: str, layers: Sequence[LayerShape], algorithms: Sequence[Algorithm], model: CostModel, *, slips: bool = True
) -> str:
    """One line an algorithm; residual learning has its bound for many tiles (N → ∞) beside its latency.

    Figures marked ~ are derived or extrapolated, not printed in a source.

    Args:
        network: Name of the network.
        layers: Its analog layers.
        algorithms: Algorithms to compare.
        model: Assumptions, all of which are printed.
        slips: Also list where published numbers do not follow from their formulas.
    """
    rows = [_cells(model.cost(layers, algorithm), layers, model) for algorithm in algorithms]
    lines = [
        f"# Hardware cost of {network}",
        "",
        f"{len(layers)} analog layers, {sum(layer.weights for layer in layers):,} weights, {layers[-1].out_features} "
        f"outputs of the last layer, batch {model.batch_size}.",
        "",
        *(f"| {' | '.join(row)} |" for row in (COLUMNS, ["---", *["---:"] * (len(COLUMNS) - 1)], *rows)),
        "",
        "Assumptions:",
        "",
        *(f"- {assumption}" for assumption in assumptions(layers, algorithms, model)),
    ]
    if slips:
        lines += ["", "Published numbers that their formulas do not give:", ""]
        lines += [
            f"- {s.printed}; formula: {s.formula}; likely: {s.reason} (confidence: {s.confidence})" for s in SLIPS
        ]
    return "\n".join(lines) + "\n"


def assumptions(layers: Sequence[LayerShape], algorithms: Sequence[Algorithm], model: CostModel) -> list[str]:
    """Everything that the figures rest on, one line each."""
    hardware = model.hardware
    words = {
        "paper": "convention paper: x and δ are 2·in words, a transferred vector in words",
        "strict": f"convention strict: x and δ are in + out words, a transfer carries a {model.transfer}",
    }
    lines = [
        words[model.convention],
        "the bias is digital, not on the array",
        "operations and analog time add up without overlap, memory traffic is hidden, and layers work in parallel: "
        "the slowest sets the latency, which is per vector pair, not per image",
        "~ per image is derived: times the reuse of a convolution, without replicated arrays; MP writes once an image",
        f"MP does {_mp_factor(algorithms)}·in·out + in operations",
        "1 kB is 1000 bytes; O(1) memory operations count as 1 a layer",
        "energy is quoted for a 785-250-10 perceptron and per vector pair; ~ is scaled with lines and synapses, or of "
        "an algorithm without a printed figure; digital operations cost no energy, which flatters AGAD most",
        f"area is without periphery, with stacks of {model.stack:g}; published areas are one plane: fully stacked",
    ]
    if large := [
        layer.name for layer in layers if max(layer.in_features, layer.out_features) > hardware.reference_tile
    ]:
        lines.append(f"not split: more than {hardware.reference_tile} lines in {', '.join(large)}")
    for algorithm in algorithms:
        lines += [f"{algorithm.name}: ~ {algorithm.derived}"] if algorithm.derived else []
        lines += [f"{algorithm.name}: ~ planes {algorithm.planes_derived}"] if algorithm.planes_derived else []
    return lines + hardware.describe()


def _cells(cost: NetworkCost, layers: Sequence[LayerShape], model: CostModel) -> list[str]:
    algorithm = cost.algorithm
    spent = energy(layers, algorithm, model)
    derived = "~" if algorithm.derived else ""
    planes_derived = "~" if algorithm.planes_derived else derived
    bound = "-"
    if isinstance(algorithm, InMemory) and algorithm.composite:
        bound = f"{derived}{model.cost(layers, algorithm.with_tiles(math.inf)).latency_ns:,.6g} ns"
    return [
        algorithm.name,
        f"{algorithm.tiles:g}" if isinstance(algorithm, InMemory) else "1",
        f"{cost.storage_bytes:,} B ({cost.storage_bytes / 1000:,.6g} kB)",
        f"{cost.memory_bits:,.6g}",
        f"{cost.fp_ops:,.6g}",
        f"{derived}{cost.latency_ns:,.6g} ns",
        bound,
        f"~{cost.image_ns / 1000:,.4g} µs" if any(layer.reuse > 1 for layer in layers) else "-",
        f"{'~' if spent.approximate else ''}{spent.total_nj:,.4g} nJ",
        f"{planes_derived}{cost.devices:,.12g}",
        f"{planes_derived}{algorithm.device_planes:g} / {model.stack:g}",
        f"{planes_derived}{cost.area_mm2:.4g}",
    ]


def _mp_factor(algorithms: Sequence[Algorithm]) -> str:
    return "/".join(sorted({str(a.ops_per_weight) for a in algorithms if not isinstance(a, InMemory)})) or "2"
