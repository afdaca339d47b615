"""Controls of an evaluation: the untrained model, and a run without a part of its input."""

from collections.abc import Iterable

UNTRAINED = "untrained"
CONTROLS = {UNTRAINED: "--untrained", "blind": "--blind"}
"""Control of an evaluation -> its flag of `coterie evaluate`; see `make_sensor_control`, too."""
WITHOUT = "without-"
"""The start of the controls of sensors."""


def make_sensor_control(names: Iterable[str]) -> str:
    """Return the control of an evaluation without some sensors, in any order."""
    return WITHOUT + "+".join(sorted(set(names)))


def describe_control(control: str) -> str:
    """Return a control in words, such as "without depth and image"."""
    if not control.startswith(WITHOUT):
        return control
    return f"without {control.removeprefix(WITHOUT).replace('+', ' and ')}"
