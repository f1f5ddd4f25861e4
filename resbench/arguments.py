"""Arguments that a class takes over from the class before it, by ``__init__(self, ..., **inherited)``."""

import functools
import inspect
from collections.abc import Sequence
from typing import Any, get_type_hints

from resbench.errors import BadValue


def take_over_arguments(cls: Any, settled: Sequence[str] = ()) -> None:
    """Complete the signature of an ``__init__`` that ends with ``**inherited`` by the arguments of the class before.

    Configs, messages and help read arguments off the signature.

    Args:
        cls: the class that was just made.
        settled: arguments that it does not take over, because it sets them itself. Its constructor refuses them.
    """
    init = cls.__init__
    *own, last = inspect.signature(init).parameters.values()
    if last.name != "inherited":
        return
    before: Any = super(cls, cls).__init__
    types = get_type_hints(before)  # names in it are known where it is defined, not here
    known = {*settled, *(each.name for each in own)}
    more = [
        each.replace(kind=each.KEYWORD_ONLY, annotation=types[each.name])
        for each in inspect.signature(before).parameters.values()
        if each.name not in known and each.kind is not each.POSITIONAL_ONLY
    ]
    init.__signature__ = inspect.Signature([*own, *more], return_annotation=None)
    init.__annotations__ |= {each.name: each.annotation for each in more}

    @functools.wraps(init)
    def refusing(self: Any, *args: Any, **named: Any) -> None:
        for name in settled:
            if name in named:
                raise BadValue(name, named[name], f"is not for {cls.__name__}, which sets it itself; leave it out")
        init(self, *args, **named)

    if settled:
        cls.__init__ = refusing
