"""What a run counted, as Markdown: pulses, trains, transfers and wear, with the time and energy that follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from resbench.costs.algorithms import Formula, InMemory
from resbench.costs.counted import counted_cost, counted_energy_nj, counts, trains
from resbench.costs.model import CostModel
from resbench.costs.report import table

if TYPE_CHECKING:  # pydantic takes longer to import than a table to print
    from resbench.records.schema import LayerEntry, TileEntry

QUANTILES = (0.5, 0.9, 0.99)


def totals(layers: Sequence[LayerEntry], algorithm: Formula, model: CostModel, samples: int) -> list[tuple[str, str]]:
    """What a run counted over all layers, and the time and energy that follow, as pairs (name, text).

    Arguments are those of :func:`to_markdown`.
    """
    total = counts(layers, samples)
    cost = counted_cost(layers, algorithm, model, samples)
    spent = counted_energy_nj(layers, algorithm, model, samples)
    seconds = cost.image_ns * samples / 1e9
    rows = [
        ("training samples", f"{samples:,}"),
        ("pulses", f"{total.pulses:,}"),
        ("transferred columns or rows", f"{total.transfers:,}"),
        ("pulses a device, mean", f"{total.mean_writes:,.4g}"),
        ("pulses a device, maximum", f"{total.max_writes:,}"),
    ]
    if total.histogram is not None:
        rows += [
            (f"pulses a device, {share:.0%} of devices at most", f"{total.write_quantile(share):,}")
            for share in QUANTILES
        ]
    return [
        *rows,
        ("latency per vector pair", f"~{cost.latency_ns:,.6g} ns"),
        ("latency per image", f"~{cost.image_ns / 1000:,.4g} µs"),
        ("time of the whole training", f"~{seconds:,.4g} s"),
        ("energy per image", f"~{spent:,.4g} nJ"),
        ("energy of the whole training", f"~{spent * samples / 1e9:,.4g} J"),
    ]


def to_markdown(layers: Sequence[LayerEntry], algorithm: Formula, model: CostModel, samples: int) -> str:
    """The totals of a run, a line for each tile, and the assumptions.

    Args:
        layers: Layers with the counts of their tiles.
        algorithm: The formula of the algorithm of the run.
        model: Assumptions for what was not counted.
        samples: Training samples that the run saw.
    """
    rows = [list(row) for row in totals(layers, algorithm, model, samples)]
    tiles = [
        [
            f"{layer.name}.{tile.name}",
            f"{tile.pulses_up:,}",
            f"{tile.pulses_down:,}",
            f"{tile.transfers:,}",
            _mean_train(layer, tile, algorithm, samples),
            f"{(tile.pulses_up + tile.pulses_down) / (layer.out_features * layer.in_features):,.4g}",
            f"{tile.max_writes:,}",
        ]
        for layer in layers
        for tile in layer.tiles
    ]
    header = ["tile", "pulses up", "pulses down", "transfers in", "slots a train", "pulses a device, mean", "maximum"]
    lines = [
        "# Counted in this run",
        "",
        *table(["", "counted"], rows),
        "",
        *table(header, tiles),
        "",
        "- pulses and transfers are those of the record; samples are those of its mini-batches",
    ]
    hardware = model.hardware
    if isinstance(algorithm, InMemory):
        lines += [
            "- trains: one for each vector of the gradient on the first tile of a layer, one a line on the others",
            f"- time: transfers and trains as counted; as published {hardware.pulse_ns:g} ns a slot and "
            f"{hardware.mvm_ns:g} ns a read",
            "- energy: as below, with counted transfers and trains, summed over layers and vectors of an image",
        ]
        published = [layer.name for layer in layers if trains(layer, samples) is None]
        if published:
            where = ", ".join(published) if len(published) < len(layers) else "any layer"
            lines.append(
                f"- trains were not counted in {where}: instead the published mean, {hardware.mean_pulses:g} slots"
            )
    else:
        lines += [
            f"- time: trains as counted, one a written row, {hardware.pulse_ns:g} ns a slot as published, after the "
            "digital sums; one slot a row where they were not counted",
            "- energy: the quoted figures for each vector; the update is quoted as one figure for digital sums and "
            "writes, so counted writes cannot enter",
        ]
    if any(tile.write_histogram is None for layer in layers for tile in layer.tiles):
        lines.append("- the distribution of pulses over devices was not recorded")
    return "\n".join(lines) + "\n"


def _mean_train(layer: LayerEntry, tile: TileEntry, algorithm: Formula, samples: int) -> str:
    gradient = isinstance(algorithm, InMemory) and tile is layer.tiles[0]
    number = samples * layer.reuse if gradient else tile.transfers
    return f"{tile.slots / number:,.3g}" if tile.slots and number else "–"
