"""The one family of exceptions that forge raises, each named after the boundary that broke.

A bad attempt is data and never an exception: an exception means that forge, the host or what the user
gave it is broken. Messages are lower case, carry the offending value and end, where there is something
the reader can do, with a `hint`.
"""


class ForgeError(Exception):
    """Something forge cannot go on from; `hint` says what to do next, `exit_code` how the command ends."""

    exit_code = 3

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(ForgeError):
    """The configuration or the command line asks for something that cannot be."""

    exit_code = 2


class DataError(ForgeError):
    """A file that forge was given, or once wrote, does not hold what it should."""

    exit_code = 2


class GeneratorError(ForgeError):
    """A model could not be loaded or did not answer."""


class SandboxError(ForgeError):
    """The sandbox could not be built, or this host gives less isolation than was asked for."""


class TrainerError(ForgeError):
    """Training could not be done or produced no usable adapter."""


class CheckFailed(ForgeError):
    """A check that guards a result did not hold, so the result is withheld."""

    exit_code = 1
