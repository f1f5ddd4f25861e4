"""What the charts and the dialog of the page are drawn from."""

import math
from itertools import islice
from typing import Any

from resbench.leaderboard.tables import Cell, Metric, Row, Table, Wear
from resbench.leaderboard.wording import number, paper

#: Colours and markers that the style sheet and the page define.
SERIES = 8
#: Runs and claims of a cell that the page lists, the first seeds and the surest claims.
MOST_RUNS, MOST_CLAIMS = 200, 12


def analog(table: Table) -> list[Row]:
    """Rows of a table that are not digital."""
    return [row for row in table.rows if not row.digital]


def precision_key(states: float | None) -> str:
    """What a precision is called between page and script."""
    return "digital" if states is None else f"{states:g}"


def style(index: int) -> dict[str, int]:
    """Colour and marker of a row; beyond eight rows the pairs go on without repeating."""
    return {"colour": index % SERIES, "marker": (index + index // SERIES) % SERIES}


def chart_data(table: Table, digital: Cell | None) -> dict[str, Any]:
    """What the charts of a table draw, numbers as people read them; null for what is missing or not finite."""
    metric = table.metric
    rows = [
        {
            "label": row.label,
            "tiles": row.tiles,
            **style(index),
            "profile": [[_scaled(distance, metric), share] for distance, share in row.profile],
            "cells": [
                {"key": precision_key(states), **_point(cell, metric), "claims": _claims(table, position, row.label)}
                for position, (states, cell) in enumerate(zip(table.columns, row.cells, strict=True))
                if cell
            ],
        }
        for index, row in enumerate(analog(table))
    ]
    return {
        "title": metric.title,
        "unit": metric.unit,
        "higher": metric.higher_is_better,
        "decimals": metric.decimals,
        "percent": metric.factor == 100,
        "validation": metric.val_key,
        "target": None if table.target is None else _scaled(table.target, metric),
        "levels": [precision_key(states) for states in table.columns],
        "digital": _point(digital, metric) if digital else None,
        "rows": rows,
    }


def _point(cell: Cell, metric: Metric) -> dict[str, Any]:
    cost, wear, curve = cell.cost, cell.wear, cell.curve
    return {
        "mean": _scaled(cell.mean, metric),
        "low": _scaled(cell.low, metric),
        "high": _scaled(cell.high, metric),
        "n": len(cell.seeds),
        "runs": [
            [seed, _scaled(value, metric), file]
            for seed, value, file in islice(zip(cell.seeds, cell.values, cell.files, strict=True), MOST_RUNS)
        ],
        "time": _finite(cost.image_ns / 1000 if cost else None),
        "energy": _finite(cost.energy_nj if cost else None),
        "area": _finite(cost.area_mm2 if cost else None),
        "writes": wear and wear.max_writes,
        "worn": worn(wear) if wear else "",
        "paper": _scaled(cell.paper.mean if cell.paper else None, metric),
        "printed": f"published: {paper(cell.paper, metric)} ({cell.paper.place}, {cell.paper.budget})"
        if cell.paper
        else "",
        "curve": curve
        and {
            "key": curve.key,
            "steps": curve.steps,
            **{name: [_scaled(v, metric) for v in getattr(curve, name)] for name in ("mean", "low", "high")},
        },
    }


def worn(wear: Wear) -> str:
    """How the pulses of training are spread over devices, in words."""
    most = "" if wear.most_writes is None else f", at most {wear.most_writes:,} on 99 % of the devices"
    return f"pulses a device: {wear.mean_writes:,.3g} in the mean{most}, {wear.max_writes:,} on the most written"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _scaled(value: float | None, metric: Metric) -> float | None:
    scaled = _finite(None if value is None else value * metric.factor)
    return None if scaled is None else round(scaled, metric.decimals + 1) + 0.0


def _claims(table: Table, position: int, label: str) -> list[str]:
    """What may be claimed of a row in one column, in words; of many claims the surest."""
    words = []
    own = [claim for claim in table.rankings[position].claims if label in (claim.better, claim.worse)]
    for claim in own[:MOST_CLAIMS]:
        by = f"by {number(claim.difference, table.metric)} (p = {claim.p:.2g}, {claim.seeds} seeds)"
        than = f"better than {claim.worse}" if claim.better == label else f"worse than {claim.better}"
        words.append(f"{than} {by}")
    return [*words, f"and {len(own) - MOST_CLAIMS} more claims"] if len(own) > MOST_CLAIMS else words
