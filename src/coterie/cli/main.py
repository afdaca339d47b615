"""The `coterie` command: its subcommands, found by name, and errors turned into exit codes."""

import errno
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from coterie.file_names import describe_long_path
from coterie.plugins import COMMANDS, OPTIONAL_NAMES, find_plugin, list_plugins

# In the order in which a new user needs them.
VERBS = (
    "check", "study", "train", "add-tasks", "evaluate", "compare", "diagnose", "report", "compose",
    "extract", "verify", "generate", "serve", "list", "doctor",
)  # fmt: skip

MAX_SHOWN_CHARACTERS = 300
"""Longer paths are cut off in messages."""


class UserError(click.ClickException):
    """An error message for the user, and the exit code: 2 for a mistake, 1 for other failures."""

    def __init__(self, message: str, *, code: int) -> None:
        super().__init__(message)
        self.code = code


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
            raise UserError(_describe(stop, f"stopped{hint}"), code=_get_exit_code(stop)) from stop
        except (ValueError, OSError, ImportError, FloatingPointError) as error:
            if debug:
                traceback.print_exception(error)
            is_mistake = isinstance(error, ValueError) or _is_too_long(error)
            text = _describe_failure(error) or type(error).__name__
            raise UserError(_describe(error, text), code=2 if is_mistake else 1) from error


def _is_too_long(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG


def _describe_failure(error: Exception) -> str:
    """Return an error's message; of the system's own, the file and the cause without its number."""
    named = error.filename if isinstance(error, OSError) else None
    if not isinstance(named, str | bytes) or not str(error).startswith("[Errno"):
        return str(error)
    path = os.fsdecode(named)
    shown = path if len(path) <= MAX_SHOWN_CHARACTERS else f"{path[:MAX_SHOWN_CHARACTERS]}..."
    if _is_too_long(error):
        return f"{shown} is too long a path: {describe_long_path(path)}"
    return f"{shown}: {error.strerror}" if isinstance(error, OSError) else str(error)


def _get_exit_code(stop: KeyboardInterrupt) -> int:
    """Return 130 for Ctrl-C, or as training says of another signal, such as 143 for SIGTERM."""
    from coterie.train.interrupt import StoppedBySignal

    return stop.exit_code if isinstance(stop, StoppedBySignal) else 130


def _describe(error: BaseException, text: str) -> str:
    """Return the message, with the process's rank above 0; "" if rank 0 reports the same error."""
    rank = os.environ.get("RANK", "0")
    if rank == "0":
        return text
    from coterie.distributed import SharedError

    is_shared = isinstance(error, SharedError | KeyboardInterrupt)
    return "" if is_shared else f"process {rank}: {text}"


class SubcommandGroup(click.Group):
    """The subcommands, each imported only when needed.

    Those of VERBS are in the files of their names; other installed packages provide more.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help page: first those of other packages."""
        return [*(each.name for each in list_plugins(COMMANDS)), *VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the subcommand of a name, or None.

        Raises UserError, with what to install, for a subcommand of an extra that is missing.
        """
        if cmd_name in VERBS:
            name = cmd_name.replace("-", "_")
            return getattr(import_module(f"coterie.cli.{name}"), name)
        try:
            plugin = find_plugin(COMMANDS, cmd_name)
        except ValueError as error:
            raise UserError(f"subcommand {error}", code=2) from error
        return None if plugin is None else plugin.load()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the subcommand of the first argument. Raises UsageError for an unknown one."""
        known = self.list_commands(ctx)
        if args[0] not in {*known, *OPTIONAL_NAMES[COMMANDS]} and not args[0].startswith("-"):
            near = get_close_matches(args[0], known, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise click.UsageError(
                f"no subcommand {args[0]!r}: there are {', '.join(known)}{meant}"
            )
        return super().resolve_command(ctx, args)


@click.command(cls=SubcommandGroup, context_settings={"max_content_width": 100})
@click.version_option(package_name="coterie", message="%(prog)s %(version)s")
def coterie() -> None:
    """Turn a pretrained model into a multi-task mixture of experts.

    \b
    coterie doctor                       what this machine can run
    coterie demo                         everything once, on embedded weights and data
    coterie check --base MODEL --tasks tasks.yaml
    coterie study --base MODEL --tasks tasks.yaml --out runs/study
    coterie train rode --base MODEL --tasks tasks.yaml --out runs/rode
    coterie evaluate runs/rode
    coterie report runs/rode --to report.html

    `coterie VERB --help` has examples of each verb.
    """


def main(
    arguments: Sequence[str] | None = None, *, library: Callable[[], None] = lambda: None
) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None for the process's own. Empty shows the help.
        library: called before a subcommand that needs the library, by an entry point that does
            not import it itself.

    Returns:
        The exit code: 0; 2 for a user's mistake; 1 for a failure of the machine; 130 for Ctrl-C,
        143 for SIGTERM and 129 for SIGHUP, which end training with a checkpoint.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        code = coterie.main(arguments, prog_name="coterie", standalone_mode=False, obj=library)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "coterie"
        click.echo(f"{where}: {error.format_message()} ({where} --help)", err=True)
        return error.exit_code
    except click.ClickException as error:
        if message := error.format_message():
            click.echo(f"coterie: {message}", err=True)
        return error.code if isinstance(error, UserError) else error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("coterie: stopped", err=True)
        return 130
    except BrokenPipeError:
        # Otherwise Python flushes at exit and reports the error again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code if isinstance(code, int) else 0
