"""`resbench list`: what can be named in a YAML file. Reads the source with `ast`, so that nothing of it is imported."""

import argparse
import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from resbench.errors import UserError

PACKAGE = Path(__file__).parent.parent


@dataclass(frozen=True)
class Shelf:
    """Where the classes of one kind live.

    Args:
        folder: package of the kind, relative to `resbench`.
        bases: names of the classes that they derive from.
        exported_only: whether only those count that the package's `__init__` imports; else every public class does.
        modules: modules outside the folder that hold more of the kind, relative to `resbench`.
    """

    folder: str
    bases: set[str]
    exported_only: bool = True
    modules: tuple[str, ...] = ()


SHELVES = {
    "algorithms": Shelf("algorithms", {"Algorithm"}, exported_only=False),
    "devices": Shelf("crossbar/devices", {"Device"}, exported_only=False, modules=("crossbar/presets.py",)),
    "networks": Shelf("networks", {"Module", "Sequential"}),
    "data": Shelf("data", {"LightningDataModule"}),
    "tasks": Shelf("tasks", {"LightningModule"}),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the kind of thing to list."""
    parser.add_argument("kind", choices=[*SHELVES, "configs"], help="what to list")


def run(args: argparse.Namespace) -> int:
    """Print one line for each thing of the kind: the path to write in YAML, then what it is."""
    rows = configs() if args.kind == "configs" else classes(SHELVES[args.kind])
    width = max((len(path) for path, _ in rows), default=0)
    for path, summary in rows:
        print(f"{path:<{width}}  {summary}".rstrip())
    return 0


def classes(shelf: Shelf) -> list[tuple[str, str]]:
    """`class_path` and first docstring line of every concrete class on a shelf, in the order of their paths.

    A class is one of the kind when its bases lead, by name, to one of the shelf. Modules named `base` and
    `transfer` hold what the others share, so their classes count as ancestors and are not listed; nor is a class with
    an abstract method.
    """
    folder = PACKAGE / shelf.folder
    exported = set(_imported_names(folder / "__init__.py"))
    paths = [*sorted(folder.glob("**/*.py")), *(PACKAGE / module for module in shelf.modules)]
    found = {node.name: (path, node) for path in paths for node in _classes(path)}

    def of_the_kind(name: str) -> bool:
        return name in shelf.bases or (name in found and any(map(of_the_kind, _base_names(found[name][1]))))

    rows = []
    for name, (path, node) in found.items():
        shared = path.stem in ("base", "transfer") or name.startswith("_") or _is_abstract(node)
        if shared or not of_the_kind(name) or (shelf.exported_only and name not in exported):
            continue
        module = folder if name in exported else path.with_suffix("")
        dotted = ".".join(["resbench", *module.relative_to(PACKAGE).parts, name])
        rows.append((dotted, _first_line(ast.get_docstring(node))))
    return sorted(rows)


def configs() -> list[tuple[str, str]]:
    """Path and opening comment of every YAML file in `./configs`, or of those that come with the package."""
    for folder in (Path("configs"), PACKAGE / "configs", PACKAGE.parent / "configs"):
        if folder.is_dir():
            return [(str(path), _opening_comment(path)) for path in sorted(folder.glob("**/*.yaml"))]
    raise UserError("there is no folder 'configs' here: run it in a checkout of resbench")


def _classes(path: Path) -> Iterator[ast.ClassDef]:
    return (node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef))


def _imported_names(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)


def _base_names(node: ast.ClassDef) -> list[str]:
    """Last part of each base: `Module` for `nn.Module`, `Algorithm` for `Algorithm[T]`."""
    return [ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases]


def _is_abstract(node: ast.ClassDef) -> bool:
    functions = (item for item in node.body if isinstance(item, ast.FunctionDef))
    return any("abstractmethod" in ast.unparse(decorator) for item in functions for decorator in item.decorator_list)


def _first_line(text: str | None) -> str:
    return text.splitlines()[0] if text else ""


def _opening_comment(path: Path) -> str:
    first = _first_line(path.read_text(encoding="utf-8"))
    return first.lstrip("# ") if first.startswith("#") else ""
