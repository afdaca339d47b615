"""A finding's line."""

from coterie.compatibility.finding import Finding


def test_lines() -> None:
    assert Finding(effect="refused", reason="DoRA").format() == "refused: DoRA"
    few = Finding(effect="dropped", reason="no place", names=["a", "b"])
    assert few.format() == "dropped (2): no place: a, b"
    many = Finding(effect="dropped", reason="no place", names=list("abcde"))
    assert many.format() == "dropped (5): no place: a, b, c and 2 more"
