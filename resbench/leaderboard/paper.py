"""Published results, which are shown beside ours. ``paper_results.json`` has them as printed, with their source."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from resbench.leaderboard.tables import Metric, Printed
from resbench.records.schema import Record

_FILE = Path(__file__).with_name("paper_results.json")


@cache
def paper_results() -> dict[str, Any]:
    """The published results: ``source``, ``note`` and ``tables``."""
    document: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return document


def printed(record: Record, metric: Metric) -> Printed | None:
    """The published result for a run's algorithm, tiles, precision, network, data and analog layers; null if none.

    Its budget may differ from that of the run, so it is shown beside the number.
    """
    track = record.track
    network, _, arguments = track.network.partition("(")
    for table in paper_results()["tables"]:
        if (
            (table["network"], table["states"], table["metric"]) == (network, record.states, metric.key)
            and table["network_arguments"] in arguments
            and _plain(track.dataset.removesuffix("Data")) == _plain(table["dataset"])
            and sorted(track.analog_layers) == sorted(table["analog_layers"])
        ):
            for result in table["results"]:
                same_class = result["algorithm"] == record.algorithm.class_path.rpartition(".")[2]
                if same_class and result["tiles"] in (None, record.tiles):
                    return Printed(
                        mean=result["mean"] / metric.factor,
                        deviation=None if result["deviation"] is None else result["deviation"] / metric.factor,
                        place=f"{paper_results()['source']}, {table['table']}",
                        budget=table["budget"],
                    )
    return None


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()
