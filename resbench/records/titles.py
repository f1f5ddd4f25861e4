"""Titles of algorithms in tables, which are the names that their papers give them."""

from functools import cache

from resbench.registry import describe


def title(name: str, class_path: str) -> str:
    """The title of an algorithm: its ``name``, unless that is only the class name of a class of resbench.

    Older records have no titles, so such a class is asked for its ``title``.
    """
    package, _, class_name = class_path.rpartition(".")
    return _ours(class_path) if package.partition(".")[0] == "resbench" and name == class_name else name


@cache
def _ours(class_path: str) -> str:
    described = describe(class_path)
    return class_path.rpartition(".")[2] if described is None else described.title
