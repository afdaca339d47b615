"""What a field that names one of a few ways, or some of a set's tasks, may hold."""

from collections.abc import Iterable

from coterie import spec


def check_choice(where: str, value: object, allowed: tuple[object, ...]) -> None:
    """Raise ValueError that names the value and what is allowed, if it is none of these.

    Args:
        where: the field, such as "Normals(criterion".
        value: what stands there.
        allowed: all that may.
    """
    if value not in allowed:
        words = " or ".join(map(repr, allowed))
        raise ValueError(f"{where}={value!r}): give {words}")


def check_names(kind: str, names: tuple[str, ...], known: Iterable[str]) -> None:
    """Raise ValueError unless `names` are some of the tasks that a data set has, at least one.

    Args:
        kind: what the data set is called.
        names: the tasks that are wanted.
        known: all that there are.
    """
    known = list(known)
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        near = spec.format_suggestions(str(wrong[0]), known) if wrong else ""
        raise ValueError(f"{kind}(names={names!r}): give some of {', '.join(known)}{near}")
