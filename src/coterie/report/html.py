"""The page as HTML text: templates with escaping on, and a bound on the page's size."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from coterie.report import formatting
from coterie.report.correctness import describe_metric
from coterie.report.embedded_media import EmbeddedMedia
from coterie.report.scores import ScoreRow
from coterie.report.systems import ReportSystem
from coterie.report.text_examples import AnswerExample, AnswersSection, ExampleSection

TEMPLATES = Path(__file__).parent / "templates"
MAX_MEDIA_BYTES = 2_000_000
"""Of data URIs; with all else at its largest, the page stays below 3 MB."""
MAX_CONFIG_CHARACTERS = 40_000
SCRIPT = (
    'addEventListener("beforeprint",()=>'
    'document.querySelectorAll("details").forEach(d=>d.open=true))'
)
"""The page's only script: it unfolds what is folded, for paper."""
COLOURS, MARKS = 7, 6
WIDTH = 92
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def render(**shown: Any) -> str:
    """The page; `shown` is what the templates speak of.

    Raises ValueError if jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise ValueError("the report needs jinja2: pip install 'coterie[report]'") from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=strip_control_characters,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "plain": formatting.format_number,
        "signed": formatting.format_signed,
        "interval": formatting.format_interval,
        "count": formatting.format_count,
        "colour": get_color_class,
        "mark": get_marker_id,
        "metric": describe_metric,
        "breakable": allow_breaks,
    }
    answers, left_out = limit_media(shown["answers"])
    media = sum(
        len(e.uri) for sheet in answers.sections for card in sheet.examples for e in card.media
    )
    shown |= {
        "answers": answers,
        "examples": shown["examples"].limit_to_bytes(MAX_MEDIA_BYTES - media),
        "media_left_out": left_out,
        "recipes": [(system, format_recipe(system)) for system in shown["systems"]],
        "sizes": [count_samples(row) for row in shown["board"].rows],
        "script": SCRIPT,
        "script_hash": compute_script_hash(SCRIPT),
    }
    return environment.get_template("page.html").render(shown)


def count_samples(row: ScoreRow) -> str:
    """How many test samples a task has."""
    return str(max((score.samples for score in row.scores if score), default=formatting.MISSING))


def strip_control_characters(value: Any) -> Any:
    """Text without what HTML cannot hold: control characters and halves of surrogate pairs."""
    if type(value) is not str:
        return value
    return UNPRINTABLE.sub("\ufffd", value)


def get_color_class(system: ReportSystem) -> str:
    """The CSS class of a system's colour."""
    return f"c{system.index % COLOURS}"


def get_marker_id(system: ReportSystem) -> str:
    """The id of the symbol that stands for a system, so that colour is never all that tells."""
    return f"m{system.index % MARKS}"


def format_recipe(system: ReportSystem) -> str:
    """recipe.json of the system's first run, cut if it is very long."""
    recipe = system.runs[0].config
    text = format_json(dict(recipe)) if recipe else ""
    if len(text) <= MAX_CONFIG_CHARACTERS:
        return text
    left = len(text) - MAX_CONFIG_CHARACTERS
    return f"{text[:MAX_CONFIG_CHARACTERS]}\n... ({left} more characters in {system.runs[0].path})"


def format_json(value: Any, indent: str = "") -> str:
    """JSON with each list and mapping on one line where it fits."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= WIDTH or not value or not isinstance(value, dict | list | tuple):
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {format_json(item, inner)}" for key, item in value.items()]
    else:
        items = [format_json(item, inner) for item in value]
    opens, closes = "{}" if isinstance(value, dict) else "[]"
    listed = f",\n{inner}".join(items)
    return f"{opens}\n{inner}{listed}\n{indent}{closes}"


def allow_breaks(text: str) -> Any:
    """Text that may be broken after underscores, as names are long and cells narrow."""
    from markupsafe import Markup, escape

    return escape(strip_control_characters(text)).replace("_", Markup("_<wbr>"))


def compute_script_hash(script: str) -> str:
    """What the page's content security policy allows to run: this script and no other."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def limit_media(answers: AnswersSection) -> tuple[AnswersSection, int]:
    """The answers with as much media as fits, and how many pictures and sounds do not.

    Each task's first card is served before any task's second.
    """
    rounds = zip_longest(*(sheet.examples for sheet in answers.sections))
    kept: dict[int, tuple[EmbeddedMedia, ...]] = {}
    left, left_out = MAX_MEDIA_BYTES, 0
    for card in (card for cards in rounds for card in cards if card is not None):
        size = sum(len(each.uri) for each in card.media)
        if size <= left:
            left -= size
            kept[id(card)] = card.media
        else:
            left_out += len(card.media)
            kept[id(card)] = tuple(
                replace(each, uri="", note=f"{each.kind} left out: the page would be too large")
                for each in card.media
            )
    return replace(answers, sections=tuple(drop_media(answers.sections, kept))), left_out


def drop_media(
    sheets: tuple[ExampleSection, ...], kept: dict[int, tuple[EmbeddedMedia, ...]]
) -> Iterator[ExampleSection]:
    """The sheets with the media that was kept."""
    for sheet in sheets:
        cards: list[AnswerExample] = [
            replace(card, media=kept[id(card)]) for card in sheet.examples
        ]
        yield replace(sheet, examples=tuple(cards))
