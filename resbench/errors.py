"""Exceptions that mean something to whoever started a run; everything else is a bug."""


class UserError(Exception):
    """What the user asked for cannot be done; the message names the value and says what to write instead.

    The command line prints it as `error: message` without a traceback and exits with status 2. Anything else that is
    raised there is a bug and keeps its traceback.
    """


class Diverged(ArithmeticError):
    """A loss or a gradient is not finite; raised before it reaches the tiles."""
