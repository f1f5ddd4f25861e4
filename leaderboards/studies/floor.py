"""The floor of rule 7, from repeated runs: ``python leaderboards/studies/floor.py runs/digits-spread``.

It reads the records of ``configs/sweeps/digits_spread.yaml``. Printed are the spread of each config over its seeds, the
spread of the differences of two rows, and what six seeds find with different floors.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np

from resbench.leaderboard.statistics import ALPHA, joint_p_values
from resbench.records.schema import read_record

METRIC = "test/acc"
FLOORS = (0.0, 0.0025, 0.005, 0.01, 0.02, 0.04)
SEEDS, DRAWS = 6, 200
#: Rows with a mean above this have learned their task: their spread is that of a training that works.
TRAINED = 0.9

Scores = dict[int, float]


def read(folder: Path) -> dict[str, Scores]:
    """Result of each seed, by the name of the experiment."""
    rows: dict[str, Scores] = {}
    for path in sorted(folder.glob("*/*/record.json")):
        record = read_record(path)
        rows.setdefault(path.parent.parent.name, {})[record.seed] = record.final[METRIC]
    return rows


def difference(a: Scores, b: Scores) -> Scores:
    """Differences seed by seed, in points."""
    return {seed: 100 * (a[seed] - b[seed]) for seed in a}


def claims(rows: dict[str, Scores], pairs: list[tuple[str, str]], floor: float) -> set[tuple[str, str]]:
    """Pairs of rows that the joint test of rule 6 tells apart."""
    differences = np.array([list(difference(rows[a], rows[b]).values()) for a, b in pairs]) / 100
    p_values = joint_p_values(differences, np.full(len(pairs), differences.shape[1]), floor)
    return {pair for pair, p in zip(pairs, p_values, strict=True) if p <= ALPHA}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="floor.py", description="The floor of rule 7, from repeated runs.")
    parser.add_argument("folder", type=Path, help="results of configs/sweeps/digits_spread.yaml")
    folder = parser.parse_args().folder
    rows = read(folder)
    if not rows:
        parser.error(f"folder: {folder} has no record; run `resbench sweep configs/sweeps/digits_spread.yaml` first")
    for name, scores in rows.items():
        values = np.array(list(scores.values()))
        print(f"{name}: {len(values)} seeds, mean {100 * values.mean():.2f}, spread {100 * values.std(ddof=1):.2f}")
    rng = np.random.default_rng(0)
    for level in ("states4", "states16"):
        column = {name: scores for name, scores in rows.items() if name.endswith(level)}
        pairs = list(itertools.combinations(column, 2))
        for a, b in pairs:
            spread = np.std(list(difference(column[a], column[b]).values()), ddof=1)
            trained = min(np.mean(list(column[name].values())) for name in (a, b)) > TRAINED
            print(f"{a} - {b}: spread of the difference {spread:.2f}{', both trained' if trained else ''}")
        everything = claims(column, pairs, 0.01)
        print(f"{level}: {len(everything)} of {len(pairs)} pairs are claims with all seeds")
        draws = [rng.choice(len(next(iter(column.values()))), SEEDS, replace=False).tolist() for _ in range(DRAWS)]
        for floor in FLOORS:
            found = [
                claims({name: {seed: scores[seed] for seed in draw} for name, scores in column.items()}, pairs, floor)
                for draw in draws
            ]
            share = np.mean([len(claim & everything) / len(everything) for claim in found])
            none = np.mean([not claim for claim in found])
            print(f"  floor {100 * floor:g} points: {100 * share:.1f} % of them found, none at all {100 * none:.1f} %")


if __name__ == "__main__":
    main()
