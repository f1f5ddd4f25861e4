"""The effort behind results: hardware cost by the cost model, and wear by the pulses that the runs counted."""

import math
from collections.abc import Sequence

from resbench.costs import CostModel, counted_cost, counts, energy, published, shapes
from resbench.leaderboard.statistics import mean
from resbench.leaderboard.tables import Cost, Wear
from resbench.records.samples import trained_samples
from resbench.records.schema import Record


def cost(record: Record) -> Cost | None:
    """Hardware cost of a run; null for a digital run, and for an algorithm without a cost model.

    Latency and energy of a vector pair are by the published formulas with the run's number of tiles. The time of a
    sample counts the transfers and pulse trains of the run.
    """
    if not record.layers or not record.steps:
        return None
    model = CostModel(batch_size=record.track.batch_size)
    entries = list(record.layers)
    layers = shapes(entries)
    try:
        algorithm = published(record.algorithm.class_path, record.algorithm.settings)
        formula = model.cost(layers, algorithm)
        counted = counted_cost(entries, algorithm, model, trained_samples(record))
        spent = energy(layers, algorithm, model)
        return Cost(
            latency_ns=formula.latency_ns,
            image_ns=counted.image_ns,
            energy_nj=spent.total_nj,
            storage_bytes=formula.storage_bytes,
            devices=formula.devices,
            area_mm2=formula.area_mm2,
        )
    except (ValueError, TypeError, KeyError, ArithmeticError):  # settings are whatever a record says
        return None


def wear(records: Sequence[Record]) -> Wear | None:
    """Pulses of the devices over the runs of a cell; null without tiles, and for devices that change without pulses."""
    if any(record.states == math.inf for record in records):
        return None
    layers = [list(record.layers) for record in records]
    if not all(of_run and all(layer.tiles for layer in of_run) for of_run in layers):
        return None
    totals = [counts(of_run, max(1, trained_samples(record))) for of_run, record in zip(layers, records, strict=True)]
    recorded = all(total.histogram for total in totals)
    return Wear(
        max_writes=max(total.max_writes for total in totals),
        mean_writes=mean(total.mean_writes for total in totals),
        most_writes=max(total.write_quantile(0.99) for total in totals) if recorded else None,
    )
