"""Numbers in texts."""

import pytest

from coterie.metrics.text.number_parsing import (
    find_nearest,
    parse_number,
    parse_numbers,
    parse_range,
)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("about 1,250 kcal", 1250),
        ("3.", 3),
        ("v2 is 4", 4),
        ("-.5", -0.5),
        ("\u22122", -2),
        ("1e3", 1000),
        ("$3.20", 3.2),
        ("50%", 50),
        ("5kg", 5),
        ("12, 13", 12),
        ("9e999 5", 5),  # the first is infinite
        ("two", None),
        ("e5", None),
        ("+", None),
        ("", None),
        ("Step 1: 40 + 2. The answer is 42", 42),
        ("In 2019 it was 35", 35),
        ("1.5 million", 1500000.0),
        ("12 k", 12000),
        ("12K", 12000),
        ("\xbd", 0.5),
        ("1\xbd", 1.5),
        ("1 1/2", 1.5),
        ("1/2", 0.5),
        ("1 234", 1234),
        ("1\u202f234", 1234),
        ("1.234,5", 1234.5),
        ("1.234.567", 1234567),
        ("1'234", 1234),
        ("1,5", 1.5),
        ("0,125", 0.125),
        ("1,23,456", 123456),
        ("5 km", 5),
        ("It is 2,000, about", 2000),
        ("It is 1,5.", 1.5),
        ("1.234.567.", 1234567),
        ("1_234_567", 1234567),
        ("1{,}234", 1234),
        ("1\\,234", 1234),
        ("\\boxed{\\frac{1}{2}}", 0.5),
        ("1\\frac34", 1.75),
        ("\\$7", 7),
        ("EUR7", 7),
        ("Rs.7", 7),
        ("2.5 hundred thousand", 250000),
        ("The total of 3 and 4 is 7", 7),
        ("Of the 3 bars, the highest is 45%.", 45),
        ("There are 5 cats, and 2 are black", 5),
        ("5 is more, it is 7, and 2 is less", 5),
        ("5 m", 5),
        ("5 M", 5000000.0),
        ("$1.2M", 1200000.0),
        ("2 bn", 2000000000.0),
        ("3.4B", 3400000000.0),
        ("(1,234)", -1234),
        ("($5.2 million)", -5200000.0),
        ("-$5", -5),
        ("$-5", -5),
        ("minus 5", -5),
        ("US$ 12", 12),
        ("\u20ac12,50", 12.5),
        ("12\u20ac", 12),
        ("1.2\xd710^3", 1200),
        ("1.2 x 10\xb3", 1200),
        ("10\xb3", 1000),
        ("10\u207b\xb3", 0.001),
        ("\u0663\u066b\u0665", 3.5),
        ("\u0967\u0968", 12),
        ("\uff11\uff12", 12),
        ("\u0661\u066c\u0662\u0663\u0664", 1234),
        ("40 + 2 = 42", 42),
        ("There are 3 apples and 4 pears, so 7 in total.", 7),
        ("#### 72", 72),
        ("\\boxed{42}", 42),
        ("The answer is 42 (= 40 + 2)", 42),
        ("The answer is 40 + 2 = 42.", 42),
        ("I count 3 dogs. They are near 2 cars.", 2),
        ("5 dogs. 3 are black.", 5),
        ("12/05/2019", 12),
        ("COVID-19", None),
        ("2019", 2019),
        ("35 in 2019", 35),
        ("5-7", 6),  # the middle
        ("12-05-2019", 12),
        ("1.5\u4e07", 15000),
        ("3 lakh", 300000.0),
        ("2 thousands", 2000),
        ("Answer: **42**", 42),
        ("1) 35", 35),
        ("- 5 dogs", 5),
        ("Step 1: 3+4=7\nStep 2: 7*2=14", 14),
        ("1.5e-3 m", 0.0015),
        ("The total is 1,234.50 USD", 1234.5),
        ("3 millions", 3000000.0),
        ("2 dozen", 2),
        ("100 000,5", 100000.5),
        ("therefore the result is 7 and not 9", 7),
        ("7/10", 0.7),
        ("1e400", None),
        ("7B parameters", 7000000000.0),
        ("12 Mb", 12),
        ("5 B.", 5000000000.0),
        ("5 basis", 5),
        ("The final answer is: $\\boxed{1,000}$", 1000),
        ("(5)", -5),
        ("999 999 999", 999999999),
        ("~50", 50),
        ("\u2248 50", 50),
        ("\xb15", 5),
        ("Year: 2010", 2010),
        ("in 2010", 2010),
        ("\u2460", 1),
        ("\u51715\u4e2a", 5),  # Chinese, in which no space divides words
        ("\uc57d5\uac1c", 5),
        ("\u7b54\u6848\u662f1,234\u3002", 1234),
    ],
)
def test_number_in(text: str, expected: float | None) -> None:
    assert parse_number(text) == (expected if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("95%", 0.95),
        ("about 9.5 % of 3", 0.095),
        ("-50\uff05", -0.5),
        ("95", 95),
        ("3 of 5%", 3),
        ("12 percent", 0.12),
        ("1.5 million %", 15000),
        ("5\u2030", 0.005),
        ("7\\%", 0.07),
    ],
)
def test_percent_divides_by_100(text: str, expected: float) -> None:
    assert parse_number(text, divides_percent=True) == pytest.approx(expected)


def test_an_answer_without_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'two' has no number in digits, and the metric compares"):
        parse_numbers(("2", "two"))


def test_the_nearest_answer_counts_and_silence_is_zero() -> None:
    assert find_nearest("about 7", ("1", "6")) == (7, 6)
    assert find_nearest("no idea", ("9", "6")) == (0, 6)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("3-5", (3, 5)),
        ("3\u20135", (3, 5)),
        ("3 - 5 people", (3, 5)),
        ("about 3 to 5", (3, 5)),
        ("between 3 and 5", (3, 5)),
        ("3~5", (3, 5)),
        ("3\u20145", (3, 5)),
        ("(3-5)", (3, 5)),  # no number of accounts
        ("$3-$5", (3, 5)),
        ("3-5 million", (3e6, 5e6)),
        ("900 - 1.5k", (900, 1500)),
        ("3 %-5 %", (0.03, 0.05)),
        ("3-5%", (0.03, 0.05)),
        ("-5 to -3", (-5, -3)),
        ("-5--3", (-5, -3)),
        ("1,000-2,000", (1000, 2000)),
        ("The answer is 3-5.", (3, 5)),
        ("4", (4, 4)),
        ("3 and 5", (3, 3)),
        ("3 to 1", (3, 3)),
        ("5-3", (5, 5)),
        ("from 3 to 5", (3, 3)),
        ("10 - 3 = 7", (7, 7)),
        ("555-1234-99", (555, 555)),
        ("2019-05-12", (2019, 2019)),
        ("3-4-5", (3, 3)),
        ("3/4-5", (0.75, 5)),
        ("5 - a", (5, 5)),
    ],
)
def test_ranges(text: str, expected: tuple[float, float]) -> None:
    assert parse_range(text, divides_percent=True) == pytest.approx(expected)
