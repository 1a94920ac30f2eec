"""The errors that a person or a camera caused and can put right."""


class InputError(Exception):
    """What was given cannot be used. The message names what, where, and what to do about it.

    Command lines print the message alone and exit with code 2; nothing half-written is left behind.
    """


class UnreadableImageError(InputError):
    """An image that cannot be decided on; `reason` is one clause, fit for an answer and for the UI."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BundleError(InputError):
    """A model bundle that must not be used: a file missing or altered, or its golden frames not reproduced."""
