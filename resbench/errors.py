"""The one exception whose message is for the user."""


class UserError(Exception):
    """What the user asked for cannot be done; the message names the value and says what to write instead.

    The command line prints it as `error: message` without a traceback and exits with status 2. Anything else that is
    raised there is a bug and keeps its traceback.
    """
