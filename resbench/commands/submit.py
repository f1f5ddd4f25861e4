"""Check records against the rules, and prepare their pull request: `resbench submit FILES...`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from resbench.errors import UserError

if TYPE_CHECKING:
    from resbench.leaderboard.runs import Run
    from resbench.leaderboard.submission import Finding


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``resbench submit``."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="records, or folders of runs")
    parser.add_argument(
        "--board",
        type=Path,
        default=Path("leaderboards/records"),
        metavar="DIR",
        help="folder of the leaderboard's records, to which the records are copied (default: %(default)s)",
    )
    parser.add_argument(
        "--text",
        type=Path,
        default=Path("pull_request.md"),
        help="file for the text of the pull request (default: %(default)s)",
    )
    parser.add_argument("--check", action="store_true", help="only check, and write nothing")


def run(args: argparse.Namespace) -> int:
    """Print the findings; without a problem, copy the records and write the text. Returns 0, or 1 with a problem.

    Raises:
        UserError: where there are no files, or the copies cannot be written.
    """
    from resbench.leaderboard.compact import Compactor
    from resbench.leaderboard.runs import read_runs
    from resbench.leaderboard.submission import check
    from resbench.records.files import real_path
    from resbench.records.portable import portable

    files = _files(args.files)
    submitted = {real_path(path) for _, path in files}
    runs, rejected = read_runs(files, portable)
    others = ((name, path) for name, path in _on_board(args.board) if real_path(path) not in submitted)
    board, _ = read_runs(others, Compactor().compact)
    findings = check(runs, rejected, board)
    for finding in findings:
        print(f"{'problem' if finding.problem else 'note'}: {finding.file}: {finding.text}")
    if any(finding.problem for finding in findings):
        print(f"not ready: problems: {sum(finding.problem for finding in findings)}, records: {len(runs)}")
        return 1
    if args.check:
        print(f"ready: {len(runs)} records")
        return 0
    try:
        _write(args, runs, findings)
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}; name another folder with --board, --text") from error
    return 0


def _files(paths: list[Path]) -> list[tuple[str, Path]]:
    """Records by the names that were given; a folder stands for all records below it."""
    from resbench.leaderboard.runs import record_files
    from resbench.records.text import printable

    found: list[tuple[str, Path]] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"{path}: there is no such file; name records, or the folders of runs")
        if not path.is_dir():
            found.append((printable(path.as_posix()), path))
            continue
        try:
            found += [(printable((path / name).as_posix()), file) for name, file in record_files(path)]
        except FileNotFoundError:
            raise UserError(f"{path}: no record in it; name the folder of a run") from None
    return found


def _on_board(folder: Path) -> list[tuple[str, Path]]:
    from resbench.leaderboard.runs import record_files

    try:
        return [((folder / name).as_posix(), file) for name, file in record_files(folder)]
    except FileNotFoundError:
        return []


def _write(args: argparse.Namespace, runs: "list[Run]", findings: "list[Finding]") -> None:
    from resbench.leaderboard.submission import destination, pull_request
    from resbench.records.files import write_text_atomically
    from resbench.records.schema import write_record

    places = [(args.board / destination(run)).as_posix() for run in runs]
    for run, place in zip(runs, places, strict=True):
        write_record(place, run.record)
    write_text_atomically(args.text, pull_request(runs, findings, places))
    ready = "1 record is" if len(runs) == 1 else f"{len(runs)} records are"
    print(f"ready: {ready} in {args.board}")
    print(f"next: git add {args.board} && git commit, and open a pull request with the text in {args.text}")
