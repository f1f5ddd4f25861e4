"""Exceptions that mean something to whoever started a run; everything else is a bug."""

from collections.abc import Iterable
from numbers import Integral


class UserError(Exception):
    """What the user asked for cannot be done; the message names the value and says what to write instead.

    The command line prints it as `error: message` without a traceback and exits with status 2. Anything else that is
    raised there is a bug and keeps its traceback.

    Args:
        message: one line.
        key: the dotted key of the config that it is about, where it is about one.
    """

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key


class BadValue(ValueError):
    """A key has a value that it cannot take.

    The message reads ``key: value hint``; the command line knows the key and shows where it stands in the config.

    Args:
        key: name of the argument, or several names as in ``"x, d"``.
        value: what it was given, or what is wrong with that: ``-1``, ``"3 values for 4 tiles"``.
        hint: why it cannot be, and what to write instead: ``"is negative; write 0 or above"``, ``"; write one each"``.
    """

    def __init__(self, key: str, value: object, hint: str) -> None:
        super().__init__(key, value, hint)
        self.key, self.value, self.hint = key, value, hint

    def __str__(self) -> str:
        between = "" if self.hint.startswith((";", ",")) else " "
        return f"{self.key}: {self.value}{between}{self.hint}"


class MissingData(BadValue, FileNotFoundError):
    """A data set is not where its key says, and cannot be fetched."""


class Diverged(ArithmeticError):
    """A loss or a gradient is not finite; raised before it reaches the tiles."""


def check_choice(key: str, value: object, choices: Iterable[str]) -> None:
    """Check an argument that takes one of a few words. A parser checks it for configs, and nobody in Python.

    Args:
        key: name of the argument.
        value: what it was given.
        choices: the words, such as ``typing.get_args`` of the type of the argument.

    Raises:
        BadValue: for anything else; it lists the words.
    """
    words = list(choices)
    if value not in words:
        raise BadValue(key, repr(value), f"is unknown; write one of {', '.join(words)}")


def check_whole(key: str, value: object, least: int, hint: str) -> None:
    """Check an argument that is a whole number.

    Args:
        key: name of the argument.
        value: what it was given; 2.0 is no whole number, because nothing can be counted with it.
        least: smallest number that it takes.
        hint: what to write instead.

    Raises:
        BadValue: for anything else.
    """
    if not (isinstance(value, Integral) and int(value) >= least):
        raise BadValue(key, value, hint)


def refuse_below_one(**sizes: int | None) -> None:
    """Refuse sizes below 1, by the names of the arguments; None stands for a size that is left out.

    Raises:
        BadValue: for the first of them.
    """
    for name, size in sizes.items():
        if size is not None and size < 1:
            raise BadValue(name, size, "is too small; write a whole number of 1 or more")
