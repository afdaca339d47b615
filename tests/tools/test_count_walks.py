"""The walks are made by real runs, and each leads through few files of the package."""

from pathlib import Path

import pytest


@pytest.mark.slow
def test_each_walk_leads_through_source_files_within_its_limit(tmp_path: Path) -> None:
    from count_walks import LIMITS, PACKAGE, count_walks  # heavy: transformers and coterie

    walks = dict(count_walks(tmp_path))
    assert set(walks) == set(LIMITS)
    for name, files in walks.items():
        # No value comes from its entry to its target through fewer: or it was lost on the way.
        assert 5 <= len(files) <= LIMITS[name], name
        assert all((PACKAGE / file).is_file() for file in files), name
