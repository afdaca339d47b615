"""The settings of `coterie.train` are those of a run's configuration."""

from dataclasses import MISSING, fields
from typing import get_type_hints

from coterie.train.config import RunConfig
from coterie.train.settings import TrainSettings


def test_they_are_the_fields_with_a_default_and_of_their_types() -> None:
    has_default = {
        each.name: each.default is not MISSING or each.default_factory is not MISSING
        for each in fields(RunConfig)
    }
    wanted = {k: hint for k, hint in get_type_hints(RunConfig).items() if has_default.get(k)}
    assert get_type_hints(TrainSettings) == wanted
