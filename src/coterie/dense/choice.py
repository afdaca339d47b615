"""What a field that names one of a few ways may hold."""


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
