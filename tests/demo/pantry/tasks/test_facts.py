"""The answer is offered, first as often as second."""

from itertools import islice

from coterie_demo.pantry.tasks import facts


def test_facts_offer_the_answer_first_as_often_as_second(larder):
    rows = list(islice(facts.Facts().generate_rows(larder, "test"), 40))
    assert sum(row["choices"][0] == row["answer"] for row in rows) == 20
    assert all(row["answer"] in row["choices"] for row in rows)
