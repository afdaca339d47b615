"""Ranks of pairs: of equal texts, of ties, and in both directions."""

import torch

from coterie.tasks.retrieval.ranks import have_one_text, mark_equal, rank_pairs


def ranks(queries: list[list[float]], candidates: list[list[float]], texts: str) -> list[list[int]]:
    found = rank_pairs(torch.tensor(queries), torch.tensor(candidates), list(texts))
    return [[each.candidate for each in found], [each.query for each in found]]


def test_each_direction_has_ranks_of_its_own() -> None:
    # Cosines, rows are queries: [[1, .6], [.8, .96]] (of 3-4-5 triangles).
    queries, candidates = [[1.0, 0], [0.8, 0.6]], [[1.0, 0], [0.6, 0.8]]
    assert ranks(queries, candidates, "ab") == [[1, 1], [1, 1]]
    # Both queries are nearest to a; b is nearest to its own query all the same.
    queries = [[1.0, 0], [0.9, 0.1]]
    assert ranks(queries, candidates, "ab") == [[1, 2], [1, 1]]


def test_equal_texts_are_one_candidate() -> None:
    # Queries 0 and 1 have the same answer: both find it, and it finds one of them.
    queries, candidates = [[1.0, 0], [0, 1], [0.6, 0.8]], [[1.0, 0], [1, 0], [0, 1]]
    assert mark_equal(["a", "a", "b"]).tolist() == [
        [True, True, False], [True, True, False], [False, False, True]
    ]  # fmt: skip
    # Query 1 is at cosine 0 to a and 1 to b. b's own query has 0.8, and query 1 has 1.
    assert ranks(queries, candidates, "aab") == [[1, 2, 1], [1, 1, 2]]


def test_a_model_that_embeds_all_alike_finds_nothing() -> None:
    same = [[1.0, 0]] * 3
    assert ranks(same, same, "abc") == [[3, 3, 3], [3, 3, 3]]


def test_one_text_is_no_choice() -> None:
    assert have_one_text(iter("aaa")) and not have_one_text(iter("aab"))
