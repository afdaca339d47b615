"""Numbers within a tolerance."""

import pytest

from coterie.metrics.text.numeric_match import NumericMatch
from tests.metrics.cases import score


def test_by_hand() -> None:
    # 95 and 105 are within 5 % of 100, 94.9 is not; 0 is only 0; no number is wrong.
    cases = [("95", ("100",)), ("105 g", ("100",)), ("94.9", ("100",)), ("0.01", ("0",))]
    assert score(NumericMatch(), *cases) == 50.0
    assert score(
        NumericMatch(), ("none", ("3",)), ("0", ("0",)), ("-19.5", ("-20",))
    ) == pytest.approx(200 / 3)


def test_a_percent_sign_divides_by_100_as_in_pix2struct() -> None:
    # 95 % is .95, within 5 % of 1 and of 100 %, and not of 95; 0.5 is 50 %.
    assert score(NumericMatch(), ("95%", ("0.95",)), ("0.5", ("50 %",)), ("95%", ("1",))) == 100.0
    assert score(NumericMatch(), ("12%", ("12%",)), ("96 %", ("100%",))) == 100.0
    assert score(NumericMatch(), ("95%", ("95",)), ("50", ("50%",))) == 0.0


def test_a_year_must_be_exact_unless_it_is_a_quantity() -> None:
    # 2008 and 1998 are within 5 %, but other years; 2,000 and 2000 g are quantities.
    years = [("2008", ("2010",)), ("1998", ("in 2000",)), ("1999", ("May 2000.",))]
    cases = [*years, ("2010", ("2010",)), ("1998", ("2,000",)), ("1998", ("2000 g",))]
    assert score(NumericMatch(), *cases) == 50.0
    assert score(NumericMatch(exact_years=False), *cases) == 100.0


def test_brackets_may_be_those_of_accounts() -> None:
    assert score(NumericMatch(), ("(5)", ("5",)), ("(5)", ("-5",)), ("-5", ("(5)",))) == 100.0
    assert score(NumericMatch(), ("5", ("-5",)), ("-5", ("5",))) == 0.0


def test_tolerance() -> None:
    assert score(NumericMatch(tolerance=0), ("3.0", ("3",)), ("3.01", ("3",))) == 50.0


@pytest.mark.parametrize("tolerance", [-0.1, float("nan"), "5%"])
def test_tolerance_is_checked(unchecked, tolerance) -> None:
    with pytest.raises(ValueError, match=r"NumericMatch\(tolerance=.*\): give a number, at l"):
        NumericMatch(tolerance=tolerance)


def test_years_are_checked(unchecked) -> None:
    with pytest.raises(ValueError, match=r"NumericMatch\(exact_years='no'\): give true or false"):
        NumericMatch(exact_years="no")  # pyright: ignore[reportArgumentType]


def test_answers_are_checked() -> None:
    with pytest.raises(ValueError, match=r"'many' has no number"):
        NumericMatch().check(("many",))


def test_ranges() -> None:
    # An answer from 3 to 5 takes 3, 4 and 5.2 (5 % above 5), and not 6 or "2 to 4".
    assert score(NumericMatch(), *((each, ("3-5",)) for each in ("3", "4", "5.2", "3 to 5"))) == 100
    assert score(NumericMatch(), ("6", ("3-5",)), ("2 to 4", ("3-5",)), ("3-5", ("4",))) == 0
    assert score(NumericMatch(), ("99-101", ("100",)), ("2012", ("2010-2015",))) == 100
    assert score(NumericMatch(), ("2016", ("2010-2015",)), ("2010-2015", ("2010-2014",))) == 0
