"""What every model family owes, whichever file it is in: found, not listed."""

import re

import pytest
from transformers import CONFIG_MAPPING

import coterie.families
import coterie.models.omni
from coterie.families.base import ModelFamily
from coterie.modalities.base import find_tower_modalities
from coterie.serialization import find_kinds
from coterie.tuner.injection import is_role

HOSTS = find_kinds(coterie.families, ModelFamily)


def test_no_model_type_belongs_to_two_families():
    named = [model_type for kind in HOSTS for model_type in kind.model_types]
    assert len(named) == len(set(named))


@pytest.mark.parametrize("kind", HOSTS, ids=lambda kind: kind.__name__)
class TestHost:
    def test_its_model_types_are_transformers_own(self, kind):
        assert kind.model_types and set(kind.model_types) <= set(CONFIG_MAPPING)

    def test_its_roles_are_known_and_their_patterns_compile(self, kind):
        assert kind.roles and all(is_role(role) for role in kind.roles)
        for role in kind.roles.values():
            re.compile(role.block), re.compile(role.linears)

    def test_its_towers_are_known(self, kind):
        # Rows of relative positions, and prompts padded to the longest: of no modality.
        apart = {"audio_positions", "qformer_prompt"}
        assert set(kind.towers) - apart <= set(find_tower_modalities())
