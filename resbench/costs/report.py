"""Cost tables as Markdown, followed by all assumptions."""

import math
from collections.abc import Sequence

from resbench.costs.algorithms import Formula, InMemory, analog_sgd, mixed_precision, residual, tt_v2
from resbench.costs.energy import energy
from resbench.costs.model import CostModel, LayerCost, NetworkCost
from resbench.costs.networks import LayerShape, lenet5, resnet
from resbench.costs.paper import PRINTED_LATENCY_NS, PRINTED_STORAGE_KB, SLIPS, Column
from resbench.costs.workload import Workload


def to_markdown(work: Workload, model: CostModel, *, kib: bool = False, layers: bool = False) -> str:
    """A table with one column for each algorithm, the assumptions, and notes on published numbers about this network.

    Figures marked ~ are derived or extrapolated; no source prints them. For residual learning, the bound for many tiles
    (N → ∞) is shown too.

    Args:
        work: The layers and algorithms.
        model: Assumptions; all of them are printed.
        kib: Show the storage in KiB too.
        layers: Show each layer too.
    """
    costs = {heading: model.cost(work.layers, algorithm) for heading, algorithm in work.algorithms.items()}
    columns = [_quantities(cost, work.layers, model, kib) for cost in costs.values()]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    lines = [
        f"# Hardware cost of {work.network}",
        "",
        f"{len(work.layers)} analog layers, {work.weights:,} weights, batch {work.batch_size}, "
        f"{work.layers[-1].out_features} outputs of the last layer.",
        "",
        *table(["", *costs], rows),
        "",
    ]
    if layers:
        for heading, cost in costs.items():
            lines += [f"Layers, {heading}:", "", *_layer_table(cost.layers), ""]
    lines += ["Assumptions:", "", *(f"- {line}" for line in assumptions(work, model))]
    if notes := slips(work):
        lines += ["", "Where published numbers are others (--as-printed shows them), the formulas give:", ""]
        lines += [f"- {note}" for note in notes]
    return "\n".join(lines) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table whose columns are aligned, so that it can be read in a terminal."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]

    def line(cells: Sequence[str]) -> str:
        first, *others = cells
        padded = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        return f"| {' | '.join(padded)} |"

    return [line(header), line(rule), *map(line, rows)]


def assumptions(work: Workload, model: CostModel) -> list[str]:
    """All assumptions behind the figures, one line each."""
    hardware = model.hardware
    algorithms = work.algorithms.values()
    words = {
        "paper": "convention paper: x and δ are 2·in words, a transferred vector in words",
        "strict": f"convention strict: x and δ are in + out words, a transfer carries a {model.transfer}",
    }
    lines = [
        *work.notes,
        words[model.convention],
        "the bias is digital, not on the array",
        "operations and analog time add up without overlap, memory traffic is hidden, and layers work in parallel: "
        "the slowest sets the latency, which is per vector pair, not per image",
        "~ per image is derived: times the reuse of a convolution, without replicated arrays; MP writes once an image",
        "1 kB is 1000 bytes; O(1) memory operations count as 1 a layer",
        "energy is quoted for a 785-250-10 perceptron and per vector pair; ~ is scaled with lines and synapses, or of "
        "an algorithm without a printed figure; digital operations cost no energy, which flatters AGAD most",
        f"area is without periphery, with stacks of {model.stack:g}; published areas are one plane: fully stacked",
    ]
    if factors := {str(a.ops_per_weight) for a in algorithms if not isinstance(a, InMemory)}:
        lines.append(f"MP does {'/'.join(sorted(factors))}·in·out + in operations")
    if large := [
        layer.name for layer in work.layers if max(layer.in_features, layer.out_features) > hardware.reference_tile
    ]:
        lines.append(f"not split: more than {hardware.reference_tile} lines in {', '.join(large)}")
    for algorithm in algorithms:
        lines += [f"{algorithm.name}: ~ {algorithm.derived}"] if algorithm.derived else []
        lines += [f"{algorithm.name}: ~ planes {algorithm.planes_derived}"] if algorithm.planes_derived else []
    return list(dict.fromkeys(lines)) + hardware.describe()


def slips(work: Workload) -> list[str]:
    """Notes on published numbers, about this network or one of these algorithms, that the formulas do not give."""
    about = {work.network.partition("(")[0], *(algorithm.name for algorithm in work.algorithms.values())}
    return [
        f"{slip.place}: {slip.formula}; likely {slip.reason} (confidence: {slip.confidence})"
        for slip in SLIPS
        if about & slip.about
    ]


def as_printed() -> str:
    """The published tables of time and storage beside what the model gives for the same inputs."""
    inputs: dict[Column, tuple[str, Sequence[LayerShape], int]] = {
        "square512": ("512 x 512 (Table 5)", [LayerShape("square", 512, 512)], 100),
        "lenet5": ("LeNet-5 (Tables 6, 7)", lenet5(), 8),
        "resnet18": ("ResNet-18, 100 classes (Tables 6, 7)", resnet(18, 100), 128),
    }
    algorithms: list[Formula] = [analog_sgd(), tt_v2(), mixed_precision(), residual()]
    rows = []
    for column, (network, layers, batch_size) in inputs.items():
        for algorithm in algorithms:
            cost = CostModel(batch_size=batch_size).cost(layers, algorithm)
            for quantity, printed, ours in (
                ("latency, ns", PRINTED_LATENCY_NS, cost.latency_ns),
                ("storage, kB", PRINTED_STORAGE_KB, cost.storage_bytes / 1000),
            ):
                if column in printed:
                    number = printed[column][algorithm.name]  # type: ignore[index]
                    difference = f"{ours / number - 1:+.2%}"
                    rows.append([network, algorithm.name, quantity, f"{number:g}", f"{ours:,.6g}", difference])
    notes = [
        f"- {s.place}: {s.printed}; formula: {s.formula}; likely {s.reason} (confidence: {s.confidence})" for s in SLIPS
    ]
    header = ["network", "algorithm", "quantity", "printed", "model", "difference"]
    lines = ["# Published figures beside the model", "", *table(header, rows), "", "Where they part:", "", *notes]
    return "\n".join(lines) + "\n"


def _quantities(cost: NetworkCost, layers: Sequence[LayerShape], model: CostModel, kib: bool) -> dict[str, str]:
    algorithm = cost.algorithm
    spent = energy(layers, algorithm, model)
    slowest = max(cost.layers, key=lambda layer: layer.latency_ns)
    derived = "~" if algorithm.derived else ""
    planes_derived = "~" if algorithm.planes_derived else derived
    scaled = "~" if spent.approximate else ""
    bound = "-"
    if isinstance(algorithm, InMemory) and algorithm.composite:
        bound = f"{derived}{model.cost(layers, algorithm.with_tiles(math.inf)).latency_ns:,.6g} ns"
    storage = f"{cost.storage_bytes:,} B ({cost.storage_bytes / 1000:,.6g} kB)"
    return {
        "tiles": f"{algorithm.tiles:g}" if isinstance(algorithm, InMemory) else "1",
        "digital storage": derived + storage,
        **({"digital storage, KiB": f"{derived}{cost.storage_bytes / 1024:,.6g} KiB"} if kib else {}),
        "memory operations": f"{derived}{cost.memory_bits:,.6g} bit",
        "FP operations": f"{derived}{cost.fp_ops:,.6g}",
        "FP time, slowest layer": f"{derived}{slowest.fp_ns:,.6g} ns",
        "analog time, slowest layer": f"{derived}{slowest.analog_ns:,.6g} ns",
        "latency per vector pair": f"{derived}{cost.latency_ns:,.6g} ns",
        "latency, bound N → ∞": bound,
        "latency per image": f"~{cost.image_ns / 1000:,.4g} µs" if any(layer.reuse > 1 for layer in layers) else "-",
        "energy, update": f"{scaled}{spent.update_nj:,.4g} nJ",
        "energy, forward and backward": f"{scaled}{spent.propagate_nj:,.4g} nJ",
        "energy per vector pair": f"{scaled}{spent.total_nj:,.4g} nJ",
        "devices": f"{planes_derived}{cost.devices:,.12g}",
        "planes / stack": f"{planes_derived}{algorithm.device_planes:g} / {model.stack:g}",
        "area": f"{planes_derived}{cost.area_mm2:.4g} mm²",
    }


def _layer_table(layers: Sequence[LayerCost]) -> list[str]:
    header = ["layer", "out x in", "reuse", "storage, B", "FP, ns", "analog, ns", "latency, ns", "area, mm²"]
    rows = [
        [
            cost.layer.name,
            f"{cost.layer.out_features} x {cost.layer.in_features}",
            f"{cost.layer.reuse}",
            f"{cost.storage_bytes:,}",
            f"{cost.fp_ns:,.6g}",
            f"{cost.analog_ns:,.6g}",
            f"{cost.latency_ns:,.6g}",
            f"{cost.area_mm2:.4g}",
        ]
        for cost in layers
    ]
    return table(header, rows)
