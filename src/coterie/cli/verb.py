"""`Subcommand`: a click command that reports a user's mistake in one line."""

import traceback
from typing import Any

import click


class UserError(click.ClickException):
    """An error message for the user, and the exit code: 2 for a mistake, 1 for other failures."""

    def __init__(self, message: str, *, code: int) -> None:
        super().__init__(message)
        self.exit_code = code


class Subcommand(click.Command):
    """A command that imports the library only when it runs, and shows tracebacks only in debug.

    Args:
        resume: advice after Ctrl-C on how to resume; empty if there is nothing to resume.
        without_library: runs without the library, as `doctor` must if that cannot be imported.
        options: of click.Command.
    """

    def __init__(self, *, resume: str = "", without_library: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.resume = resume
        self.without_library = without_library
        text = "Show where an error arose."
        debug = click.Option(["--debug"], is_flag=True, envvar="COTERIE_DEBUG", help=text)
        self.params.append(debug)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand. Raises UserError for a user's mistake or a failure of the machine.

        Any other exception is a bug, and keeps its traceback.
        """
        debug = ctx.params.pop("debug")
        try:
            if not self.without_library:
                ctx.find_root().obj()
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # the reader of standard output has exited, as `head` does
        except KeyboardInterrupt as stop:
            hint = f"; {self.resume}" if self.resume else ""
            raise UserError(f"stopped{hint}", code=130) from stop
        except (ValueError, OSError, ImportError, FloatingPointError) as error:
            if debug:
                traceback.print_exception(error)
            code = 2 if isinstance(error, ValueError) else 1
            raise UserError(str(error) or type(error).__name__, code=code) from error
