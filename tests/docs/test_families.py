"""docs/families.md names every family, and the packages that it needs."""

import pytest

from coterie import families
from coterie.families.base import ModelFamily
from coterie.serialization import find_kinds
from tests.docs.tables import ROOT

OWN = {"Omni", "MultiTaskViT"}
"""Models of coterie itself, which have pages of their own."""
KINDS = [kind for kind in find_kinds(families, ModelFamily) if kind.__name__ not in OWN]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_family_has_a_row(kind: type[ModelFamily]) -> None:
    page = (ROOT / "docs" / "families.md").read_text()
    rows = [line for line in page.splitlines() if f"`{kind.model_types[0]}`" in line]
    if kind.__name__ == "Llama":  # too many to name
        rows = [line for line in page.splitlines() if "`llama`" in line]
    else:
        assert all(f"`{name}`" in page for name in kind.model_types if "vision_model" not in name)
    assert rows
    for packages in kind.packages.values():
        assert any(all(f"`{name}`" in row for name in packages) for row in rows)
