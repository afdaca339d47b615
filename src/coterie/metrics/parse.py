"""Parsing of a metric from its name and settings in tasks.yaml."""

import ast
import re
import sys
from collections.abc import Mapping
from typing import Any

from coterie.annotations import abbreviate, format_suggestions
from coterie.metrics.base import AnswerMetric
from coterie.metrics.text.normalization import to_snake_case
from coterie.serialization import construct, find_kinds


def parse_metric(given: str | Mapping[str, Any]) -> AnswerMetric:
    """Return a metric by its name, with or without settings.

    Forms: "exact", "numeric(tolerance=0.1)" and {"name": "numeric", "tolerance": 0.1}.

    Raises ValueError, with near misses, if there is no such metric or field.
    """
    name, items = parse_call(given) if isinstance(given, str) else (given.get("name"), dict(given))
    items.pop("name", None)
    known = find_metrics()
    kind = known.get(normalize_metric_name(name)) if isinstance(name, str) else None
    if kind is None and (near := find_nearby(str(name))):
        raise ValueError(f"{abbreviate(name)} is no metric here: take {' or '.join(near)}")
    if kind is None:
        kinds = dict.fromkeys(known.values())
        names = [kind.get_name() for kind in kinds]
        others = [
            other for kind in kinds for other in (*kind.aliases, to_snake_case(kind.__name__))
        ]
        near = format_suggestions(str(name), {*names, *others})
        raise ValueError(f"{abbreviate(name)} is no metric{near}: there are {', '.join(names)}")
    return construct(kind, items, str(name))  # a YAML list becomes a tuple, as metrics need


def find_metrics() -> dict[str, type[AnswerMetric]]:
    """Map published name, alias and class name to each metric of this package."""
    return {
        normalize_metric_name(name): kind
        for kind in find_kinds(sys.modules[__package__ or ""], AnswerMetric)
        for name in (kind.get_name(), *kind.aliases, kind.__name__)
    }


def find_nearby(name: str) -> list[str]:
    """Return the metrics that may be meant by a name that is none: f1 is token_f1 or macro_f1."""
    return [
        kind.get_name()
        for kind in dict.fromkeys(find_metrics().values())
        if normalize_metric_name(name) in map(normalize_metric_name, kind.nearby)
    ]


def normalize_metric_name(name: str) -> str:
    """Return a name without case and separators: rougeL, rouge_l and RougeL are one name."""
    return re.sub("[-_ ]", "", name).lower()


def parse_call(text: str) -> tuple[str, dict[str, Any]]:
    """Parse "name" or "name(field=value, ...)" to the name and the fields."""
    try:
        match ast.parse(text.strip(), mode="eval").body:
            case ast.Call(func=ast.Name(id=name), args=[], keywords=given):
                return name, {str(item.arg): ast.literal_eval(item.value) for item in given}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    return text, {}
