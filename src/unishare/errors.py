"""The one base of everything that unishare reports to its user.

An error says what was wrong, where, and what to do. The CLI prints `message` and `hint` and exits with `exit_code`; nothing
else in the package decides on exit codes. The codes are those of sysexits.h where one fits (docs/errors.md has the table).
"""

from __future__ import annotations


class UnishareError(Exception):
    """A failure with a message for people.

    `message` says what was wrong and where (file, field, address); `hint` what to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class BadInputError(UnishareError):
    """A file, recipe, image or pool holds something that cannot be used."""

    exit_code = 65


class NotFoundError(UnishareError):
    """The named app, library, image, instance or file does not exist."""

    exit_code = 66


class BadRequestError(UnishareError):
    """What was asked for cannot be: a size beyond the limit, an option that does not go with another."""

    exit_code = 2


class InputOutputError(UnishareError):
    """The operating system refused to read, write or make something."""

    exit_code = 74


class HostLacksError(UnishareError):
    """The machine does not offer what is needed: /dev/kvm, rights, a program."""

    exit_code = 69


class BuildError(UnishareError):
    """A compiler, linker or preparation step failed."""

    exit_code = 1


class TimeLimitError(UnishareError):
    """A guest did not answer within its time limit."""

    exit_code = 124
