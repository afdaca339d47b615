"""The command line's help, its flags, and what it says where something is wrong."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

from coterie import plugins
from coterie.cli import main
from coterie.cli.main import VERBS, Subcommand, SubcommandGroup
from coterie.distributed import SharedError
from tests.cli.calls import Calls

# Few, and they do not grow: a setting goes through `--set`, or is an argument of the function.
FLAGS = {
    "demo": "--out --steps --seed",
    "fetch": "",
    "check": "--base --tasks --set --batch-size --batch --device",
    "study": "--base --tasks --out --recipes --seeds --steps --batch-size --limit --set "
    "--skip-bad-rows --dry-run --device",
    "train": "--base --tasks --out --set --steps --batch-size --precision --quantize --attention "
    "--max-pixels --workers --compile --sharding --seed --skip-bad-rows --resume --accept-changes "
    "--device",
    "add-tasks": "--tasks --out --recipe --set --base --connectors --steps --batch-size --seed "
    "--resume --device",
    "evaluate": "--split --limit --batch-size --blind --without --untrained --skip-bad-rows --base "
    "--tasks --to --device",
    "compare": "--baseline --sequence --to",
    "diagnose": "--tasks --batches --batch-size --seed --to --base --device",
    "report": "--to --title --conflict --forgetting --media-root --tasks",
    "compose": "--out --base --weights --text --media --tasks --take --device",
    "extract": "--task --to --format --threshold --curve --dtype --llama-cpp --base --tasks "
    "--device",
    "verify": "--base --for --json",
    "generate": "--task --image --video --audio --sound --jsonl --rows --out --batch-size "
    "--base --tasks --device",
    "serve": "--host --port --api-key --batch-size --waiting --timeout --base --tasks --device",
    "list": "--runs",
    "doctor": "",
}
# numpy may be: it takes 0.1 s, and the modalities whose options `generate` has are written in it.
LIGHT = """
import sys
from coterie_command import main
code = main()
print(code, *sorted({"torch", "transformers", "peft"} & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize("name", FLAGS)
def test_flags_are_frozen(name: str) -> None:
    found = verbs()[name].params
    flags = [option.opts[0] for option in found if isinstance(option, click.Option)]
    assert flags == [*FLAGS[name].split(), "--debug"]


@pytest.mark.parametrize("name", FLAGS)
def test_help_has_examples(name: str, coterie: Calls) -> None:
    called = coterie(name, "--help")
    assert called.code == 0 and f"  coterie {name}" in called.out.partition("Example")[2]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["train", "--help"], ["trian"]])
def test_nothing_heavy_is_imported_for_help(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT, *arguments], capture_output=True, text=True)
    code = 2 if arguments == ["trian"] else 0
    assert done.stderr.splitlines()[-1] == str(code), done.stderr
    assert bool(done.stdout) == (code == 0)


def test_first_lines_are_short_enough_for_the_list(coterie: Calls) -> None:
    lines = coterie("--help").out.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == list(FLAGS)
    assert not any(line.endswith("...") for line in lines)


def test_without_arguments_it_says_how_to_use_it(coterie: Calls) -> None:
    assert coterie() == coterie("--help")
    assert coterie("--version").out.startswith("coterie 0.")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "no subcommand 'trian': there are demo, fetch,"),
        (["trian"], "did you mean train?"),
        (["train"], "coterie train: Missing argument 'RECIPE'. (coterie train --help)"),
        (["train", "rode"], "coterie train: Missing option '--out'"),
        (["train", "rode", "--resume"], "coterie train: Missing option '--out'"),
        (["train", "rode", "--ouf", "x"], "No such option '--ouf'"),
        (["evaluate", "x", "--limit", "few"], "'few' is not a valid integer"),
        (["list", "gate"], "'gate' is not one of 'recipes', 'gates'"),
        (["report"], "Missing argument 'RUN...'"),
        (["--steps"], "No such option '--steps'"),
        (["diagnose", "x", "--to", "c.txt"], "--to c.txt: the conflict is written as a figure"),
    ],
)
def test_bad_usage_is_one_line(arguments: list[str], said: str, coterie: Calls) -> None:
    called = coterie(*arguments)
    assert called.code == 2 and not called.out
    assert said in called.err and called.err.count("\n") == 1


def raising(error: BaseException) -> Callable[[], None]:
    def list() -> None:
        """Raises."""
        raise error

    return list


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ValueError("steps=0: give more"), 2, "coterie: steps=0: give more\n"),
        (
            OSError(28, "No space left on device"),
            1,
            "coterie: [Errno 28] No space left on device\n",
        ),
        (ImportError("no jinja2"), 1, "coterie: no jinja2\n"),
        (FloatingPointError("the loss is nan"), 1, "coterie: the loss is nan\n"),
        (KeyboardInterrupt(), 130, "coterie: stopped; go on so\n"),
        (ValueError(), 2, "coterie: ValueError\n"),
    ],
)
def test_mistakes_have_no_traceback(
    error: BaseException, code: int, said: str, coterie: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_list(monkeypatch, click.command(cls=Subcommand, resume="go on so")(raising(error)))
    called = coterie("list")
    assert (called.code, called.err) == (code, said)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("row 3 is bad"), "coterie: process 1: row 3 is bad\n"),
        (SharedError("row 3 is bad"), ""),  # the first process says it
        (KeyboardInterrupt(), ""),
    ],
)
def test_another_process_says_who_it_is(
    error: BaseException, said: str, coterie: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    replace_list(monkeypatch, click.command(cls=Subcommand)(raising(error)))
    called = coterie("list")
    assert called.code > 0 and called.err == said


@pytest.mark.parametrize("way", ["flag", "environment"])
def test_debug_shows_the_traceback(
    way: str, coterie: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_list(monkeypatch, click.command(cls=Subcommand)(raising(ValueError("here"))))
    if way == "environment":
        monkeypatch.setenv("COTERIE_DEBUG", "1")
    called = coterie("list", *(["--debug"] if way == "flag" else []))
    assert called.code == 2 and called.err.endswith("ValueError: here\ncoterie: here\n")
    assert called.err.startswith("Traceback")


def test_mistakes_of_ours_keep_their_traceback(
    coterie: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_list(monkeypatch, click.command(cls=Subcommand)(raising(TypeError("a mistake"))))
    with pytest.raises(TypeError, match="a mistake"):
        coterie("list")


def test_ctrl_c_outside_of_a_verb(coterie: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("coterie.cli.main.import_module", stop)
    called = coterie("list")
    assert (called.code, called.err.strip()) == (130, "coterie: stopped")


def test_a_closed_pipe_is_no_error() -> None:
    # `head` has gone before anything is written.
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from coterie_command import main; sys.exit(main())"],
        stdout=write,
        stderr=subprocess.PIPE,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def replace_list(monkeypatch: pytest.MonkeyPatch, new: click.Command) -> None:
    module: Any = ModuleType("replaced")
    module.list = new
    monkeypatch.setattr("coterie.cli.main.import_module", lambda name: module)


def verbs() -> dict[str, click.Command]:
    group, context = SubcommandGroup(), click.Context(click.Command("coterie"))
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def test_what_an_extra_brings_is_named_where_it_is_missing(
    coterie: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "entry_points", lambda group: ())  # nothing else is installed
    assert coterie("fetch").err == (
        "coterie: subcommand 'fetch' is not installed, as it comes with an extra: "
        "pip install 'coterie[demo]'\n"
    )
    assert coterie("fetch").code == 2
    assert "there are check, study, train" in coterie("ftch").err
    lines = coterie("--help").out.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == list(VERBS)


def test_every_verb_has_a_file() -> None:
    folder = Path(main.__file__).parent
    files = [folder / f"{name.replace('-', '_')}.py" for name in VERBS]
    assert all(file.is_file() for file in files)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            OSError(36, "File name too long", "x" * 300),
            2,
            "has 300 bytes, and disks take 255: give a",
        ),
        (PermissionError(13, "Permission denied", "/a/b"), 1, "coterie: /a/b: Permission denied"),
        (OSError(5, "Input/output error"), 1, "coterie: [Errno 5] Input/output error"),
    ],
)
def test_errors_of_the_system_name_the_file(
    error: OSError, code: int, said: str, coterie: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr("coterie.task_file.read_tasks", fail)
    called = coterie("check", "--base", "x", "--tasks", "y", "--device", "cpu")
    assert called.code == code and said in called.err and len(called.err.splitlines()) == 1
