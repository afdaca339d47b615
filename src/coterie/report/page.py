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

from coterie.report import numbers
from coterie.report.answers import Answers, Card, Sheet
from coterie.report.grading import short
from coterie.report.media import Shown
from coterie.report.scores import Row
from coterie.report.systems import System

TEMPLATES = Path(__file__).parent / "templates"
MOST_MEDIA_BYTES = 2_000_000
"""Of data URIs; with all else at its largest, the page stays below 3 MB."""
MOST_RECIPE_CHARACTERS = 40_000
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
        finalize=clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("plain", "signed", "interval", "count"):
        environment.filters[name] = getattr(numbers, name)
    environment.filters |= {
        "colour": colour,
        "mark": mark,
        "metric": short,
        "breakable": breakable,
    }
    answers, left_out = bounded(shown["answers"])
    media = sum(len(e.uri) for sheet in answers.sheets for card in sheet.cards for e in card.media)
    shown |= {
        "answers": answers,
        "examples": shown["examples"].within(MOST_MEDIA_BYTES - media),
        "media_left_out": left_out,
        "recipes": [(system, recipe_text(system)) for system in shown["systems"]],
        "sizes": [samples(row) for row in shown["board"].rows],
        "script": SCRIPT,
        "script_hash": digest(SCRIPT),
    }
    return environment.get_template("page.html").render(shown)


def samples(row: Row) -> str:
    """How many test samples a task has."""
    return str(max((score.samples for score in row.scores if score), default=numbers.MISSING))


def clean(value: Any) -> Any:
    """Text without what HTML cannot hold: control characters and halves of surrogate pairs."""
    if type(value) is not str:
        return value
    return UNPRINTABLE.sub("\ufffd", value)


def colour(system: System) -> str:
    """The CSS class of a system's colour."""
    return f"c{system.index % COLOURS}"


def mark(system: System) -> str:
    """The id of the symbol that stands for a system, so that colour is never all that tells."""
    return f"m{system.index % MARKS}"


def recipe_text(system: System) -> str:
    """recipe.json of the system's first run, cut if it is very long."""
    recipe = system.runs[0].recipe
    text = compact(dict(recipe)) if recipe else ""
    if len(text) <= MOST_RECIPE_CHARACTERS:
        return text
    left = len(text) - MOST_RECIPE_CHARACTERS
    return f"{text[:MOST_RECIPE_CHARACTERS]}\n... ({left} more characters in {system.runs[0].path})"


def compact(value: Any, indent: str = "") -> str:
    """JSON with each list and mapping on one line where it fits."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= WIDTH or not value or not isinstance(value, dict | list | tuple):
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {compact(item, inner)}" for key, item in value.items()]
    else:
        items = [compact(item, inner) for item in value]
    opens, closes = "{}" if isinstance(value, dict) else "[]"
    listed = f",\n{inner}".join(items)
    return f"{opens}\n{inner}{listed}\n{indent}{closes}"


def breakable(text: str) -> Any:
    """Text that may be broken after underscores, as names are long and cells narrow."""
    from markupsafe import Markup, escape

    return escape(clean(text)).replace("_", Markup("_<wbr>"))


def digest(script: str) -> str:
    """What the page's content security policy allows to run: this script and no other."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def bounded(answers: Answers) -> tuple[Answers, int]:
    """The answers with as much media as fits, and how many pictures and sounds do not.

    Each task's first card is served before any task's second.
    """
    rounds = zip_longest(*(sheet.cards for sheet in answers.sheets))
    kept: dict[int, tuple[Shown, ...]] = {}
    left, left_out = MOST_MEDIA_BYTES, 0
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
    return replace(answers, sheets=tuple(trimmed(answers.sheets, kept))), left_out


def trimmed(sheets: tuple[Sheet, ...], kept: dict[int, tuple[Shown, ...]]) -> Iterator[Sheet]:
    """The sheets with the media that was kept."""
    for sheet in sheets:
        cards: list[Card] = [replace(card, media=kept[id(card)]) for card in sheet.cards]
        yield replace(sheet, cards=tuple(cards))
