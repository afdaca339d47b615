"""Chat templates, rendered with bounds on time, memory and the size of their text.

A chat template is a program that comes with a model. transformers runs it in jinja2's sandbox,
which keeps it away from the machine, but not from running for ever or from filling the memory.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from threading import Lock, local
from time import thread_time
from typing import Any

MAX_TIME_S = 3.0
"""Of the processor, for one chat. A chat of 1,000 turns takes about 0.01 s."""
MAX_FACTOR = 1_000_000
"""The largest number that may be multiplied or raised; the time of larger ones has no bound."""
MAX_CHARACTERS = 8_000_000
"""Of a rendered chat: twice the longest row."""
MAX_GROWTH_BYTES = 2**29
"""Address space by which the process may grow while a chat is rendered."""
_LOCK = Lock()
_RENDERING = local()
"""This thread's: `end_s` is the time of `thread_time` at which its template is stopped."""
_USUAL: list[Any] = []
"""transformers' own function, once for each `with` block that is open, in any thread."""


class ChatTemplateError(ValueError):
    """A template failed, refused its chat, or went beyond a bound."""


@contextmanager
def bound_templates(name: str) -> Iterator[None]:
    """Have transformers compile and render chat templates with bounds inside the `with` block.

    Raises ValueError, in one line that names the model, if a template fails or exceeds them.
    """
    from transformers.utils import chat_template_utils as utils

    with _LOCK:
        if not _USUAL:
            utils._compile_jinja_template, usual = compile_bounded, utils._compile_jinja_template
        else:  # in another thread
            usual = _USUAL[0]
        _USUAL.append(usual)
    try:
        yield
    except ChatTemplateError as error:
        raise ValueError(f"the chat template of {name!r} {error}") from error
    finally:
        with _LOCK:
            _USUAL.pop()
            if not _USUAL:
                utils._compile_jinja_template = usual


@lru_cache
def compile_bounded(source: str) -> Any:
    """Compile a template in transformers' environment, with bounds. Raises ChatTemplateError."""
    import jinja2.nodes
    from transformers.utils.chat_template_utils import _cached_compile_jinja_template

    # Of an empty template: compiling computes what is constant, such as 'a' * 10**10.
    environment: Any = _cached_compile_jinja_template("").environment

    class BoundedEnvironment(type(environment)):
        def call(self, context: Any, called: Any, /, *args: Any, **kwargs: Any) -> Any:
            _check_time()
            return super().call(context, called, *args, **kwargs)

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if any(isinstance(each, int) and abs(each) > MAX_FACTOR for each in (left, right)):
                raise ChatTemplateError(f"multiplies numbers above {MAX_FACTOR:,}")
            if operator == "**" and max(left, right) > 1_000:
                raise ChatTemplateError("raises numbers above 1,000 to a power, or to such a power")
            return super().call_binop(context, operator, left, right)

    class BoundedTemplate(jinja2.Template):
        def render(self, *args: Any, **kwargs: Any) -> str:
            _RENDERING.end_s = thread_time() + MAX_TIME_S
            with explain_failure(), limit_memory():
                text = super().render(*args, **kwargs)
                if len(text) > MAX_CHARACTERS:
                    raise ChatTemplateError(f"writes more than {MAX_CHARACTERS:,} characters")
                return text

    environment.__class__ = BoundedEnvironment
    environment.template_class = BoundedTemplate
    environment.intercepted_binops = frozenset(("*", "**"))
    # Only loops and calls repeat a template's code, so nothing else need look at the time.
    environment.filters["check_time"] = jinja2.pass_context(_check_each)
    with explain_failure(), limit_memory():
        template = environment.parse(source)
        for loop in template.find_all(jinja2.nodes.For):
            loop.iter = jinja2.nodes.Filter(
                loop.iter, "check_time", [], [], None, None, environment=environment
            ).set_lineno(loop.lineno)
        return environment.from_string(template)


def _check_each(context: Any, iterable: Iterable[Any]) -> Iterator[Any]:
    """Check the time before each round of a loop; not at compilation, which has no context."""
    for each in iterable:
        _check_time()
        yield each


def _check_time() -> None:
    if thread_time() > _RENDERING.end_s:
        raise ChatTemplateError(f"does not end within {MAX_TIME_S:g} s")


@contextmanager
def explain_failure() -> Iterator[None]:
    """Make a ChatTemplateError, of one line, of whatever a template raises."""
    try:
        yield
    except ChatTemplateError:
        raise
    except MemoryError as error:
        raise ChatTemplateError(f"takes more than {MAX_GROWTH_BYTES >> 20} MiB") from error
    except Exception as error:  # a program from anyone fails with whatever it likes
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise ChatTemplateError(f"fails: {text[:300]}") from error


@contextmanager
def limit_memory() -> Iterator[None]:
    """Let allocations fail that would grow the process by more than MAX_GROWTH_BYTES.

    On Linux; other systems have no such limit. It lasts for the milliseconds of a rendering.
    """
    try:
        import resource

        pages = int(_read_start("/proc/self/statm").split()[0])
    except (ImportError, OSError):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = pages * os.sysconf("SC_PAGE_SIZE") + MAX_GROWTH_BYTES
    bounds = [each for each in (soft, hard, most) if each != resource.RLIM_INFINITY]
    with suppress(OSError, ValueError):  # a limit that cannot be lowered is no reason to stop
        resource.setrlimit(resource.RLIMIT_AS, (min(bounds), hard))
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _read_start(path: str) -> bytes:
    """Read up to 100 bytes of a file, in a fifth of the time of `Path.read_bytes`."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, 100)
    finally:
        os.close(file)
