"""The errors that a person or a camera caused and can put right."""

from collections.abc import Sequence

from data.wording import Text, text

_MOST_NAMED = 10


class InputError(Exception):
    """What was given cannot be used. The message names what, where, and what to do about it.

    Command lines print the message alone and exit with code 2; nothing half-written is left behind. What people can meet at
    the UI is given as a Text; in English alone it is `said` so in both languages. As a string it is the English sentence.
    """

    def __init__(self, said: str | Text) -> None:
        self.said = said if isinstance(said, Text) else text(said, said)
        super().__init__(self.said.en)


class UnreadableImageError(InputError):
    """An image that cannot be decided on; `reason` is one clause, fit for an answer and for the UI."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BundleError(InputError):
    """A model bundle that must not be used: a file missing or altered, or its golden frames not reproduced."""


def all_of(faults: Sequence[str]) -> InputError:
    """One error for several faults, a line each, so that they can be put right together; the first ten of them and a count."""
    more = [f"and {len(faults) - _MOST_NAMED} more"] if len(faults) > _MOST_NAMED else []
    return InputError("\n".join([*faults[:_MOST_NAMED], *more]))
