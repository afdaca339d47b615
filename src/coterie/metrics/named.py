"""A metric from the name, and maybe fields, that tasks.yaml gives."""

import ast
import sys
from collections.abc import Mapping
from typing import Any

from coterie.metrics.base import Metric
from coterie.metrics.words import snake
from coterie.spec import kinds, near, settable


def of(given: str | Mapping[str, Any]) -> Metric:
    """The metric of "exact", "numeric(tolerance=0.1)" or {"name": "numeric", "tolerance": 0.1}.

    Raises ValueError, with near misses, if there is no such metric or field.
    """
    name, items = parsed(given) if isinstance(given, str) else (given.get("name"), dict(given))
    items.pop("name", None)
    known = known_metrics()
    kind = known.get(plain(name)) if isinstance(name, str) else None
    if kind is None:
        names = [snake(kind.__name__) for kind in dict.fromkeys(known.values())]
        raise ValueError(
            f"{name!r} is no metric{near(str(name), {*names, *known})}: "
            f"there are {', '.join(names)}"
        )
    allowed = [field.name for field in settable(kind)]
    for key in items:
        if key not in allowed:
            raise ValueError(
                f"{given!r}: {snake(kind.__name__)} has no {key!r}{near(key, allowed)}; it has "
                f"{', '.join(allowed) or 'nothing to set'}"
            )
    return kind(**{key: frozen(item) for key, item in items.items()})


def known_metrics() -> dict[str, type[Metric]]:
    """Every kind in this folder by its names, plain."""
    found = kinds(sys.modules[__package__ or ""], Metric)
    named = {plain(kind.__name__): kind for kind in found}
    return named | {kind.short: kind for kind in found if kind.short}


def plain(name: str) -> str:
    """A name without what people spell differently: rougeL, rouge_l and RougeL are one."""
    return name.replace("_", "").replace("-", "").replace(" ", "").lower()


def parsed(text: str) -> tuple[str, dict[str, Any]]:
    """The name and the fields of "name" or "name(field=value, ...)"."""
    try:
        match ast.parse(text.strip(), mode="eval").body:
            case ast.Call(func=ast.Name(id=name), args=[], keywords=given):
                return name, {str(item.arg): ast.literal_eval(item.value) for item in given}
    except (SyntaxError, ValueError):
        pass
    return text, {}


def frozen(value: Any) -> Any:
    """YAML's lists as the tuples that a frozen metric holds."""
    return tuple(value) if isinstance(value, list) else value
