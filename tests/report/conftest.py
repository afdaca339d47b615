"""Fewer draws of the bootstrap: the page is under test here, not the intervals."""

import pytest

from coterie.report import context


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "RESAMPLES", 20)
