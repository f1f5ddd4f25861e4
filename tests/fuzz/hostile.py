"""Records and run folders that try to run code or to write elsewhere. Each must be refused in one line."""

from __future__ import annotations

import argparse
import copy
import json
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from tests.fuzz import corpus
from tests.fuzz._child import ended


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m tests.fuzz hostile``."""
    parser.add_argument("--count", type=int, default=200, help="mixtures of two (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    """Try each config of the corpus as a record and as a run folder, then mixtures of two. Return 0 without a fault."""
    import resbench.training.fit  # noqa: F401 - once, because all commands run in forks of this process
    from resbench.records.identity import config_hash

    names = [[name] for name in corpus.HOSTILE]
    chance = random.Random(args.seed)
    names += [chance.sample(sorted(corpus.HOSTILE), 2) for _ in range(args.count)]
    ends: Counter[str] = Counter()
    wrong = 0
    document = json.loads(corpus.RECORD.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="resbench-fuzz-") as folder:
        home = Path(folder).resolve() / "here"
        attempt = home / "runs" / "theirs" / "0123456789ab.attempt"
        attempt.mkdir(parents=True)
        corpus.prepare(home)
        for chosen in names:
            config = _config(chosen)
            if config is None:
                continue
            text = json.dumps(document | {"config": config, "config_hash": config_hash(config)})
            (home / "record.json").write_text(text)
            (attempt / "config.yaml").write_text(json.dumps(config))
            before = corpus.files(home.parent)
            for command in (["verify", "record.json", "--epochs", "1"], ["resume", str(attempt)]):
                end = ended(command, home)
                ends["refused" if end.status == 2 else "ran"] += 1
                after = corpus.files(home.parent)
                changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
                problem = end.wrong or (f"left {changed}" if changed else None)
                if problem:
                    wrong += 1
                    print(f"{'+'.join(chosen)}, {command[0]}: {problem}", flush=True)
                for name in changed:
                    (home.parent / name).unlink(missing_ok=True)
    counts = ", ".join(f"{count} {name}" for name, count in sorted(ends.items()))
    print(f"hostile: {sum(ends.values())} tried with seed {args.seed}: {counts}; {wrong} wrong")
    return 1 if wrong else 0


def _config(names: list[str]) -> dict[str, Any] | None:
    """The config with all of these changes; None if they exclude each other."""
    config = copy.deepcopy(corpus.base())
    try:
        for name in names:
            corpus.HOSTILE[name](config)
            config = copy.deepcopy(config)  # changes insert constants, and the next one may change what was inserted
    except (AttributeError, TypeError):
        return None
    return config
