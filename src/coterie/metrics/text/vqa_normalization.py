"""The normalisation of answers that the evaluation of VQA uses."""

import re

from coterie.metrics.text.normalization import compose

PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
COMMA_IN_NUMBER = re.compile(r"\d,\d")
POINT = re.compile(r"[.](?!\d)")
ARTICLES = ("a", "an", "the")
NUMBERS = {
    word: str(number)
    for number, word in enumerate("zero one two three four five six seven eight nine ten".split())
} | {"none": "0"}
CONTRACTIONS = {
    text.replace("'", ""): text
    for text in """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't
    haven't he'd he'd've he's how'd how'll how's i'd've i'm i've isn't it'd it'd've it'll let's
    ma'am might've mightn't mightn't've must've mustn't needn't not've o'clock oughtn't shan't
    she'd've should've shouldn't shouldn't've somebody'd somebody'd've somebody'll somebody's
    someone'd someone'd've someone'll someone's something'd something'd've something'll that'd
    that'd've that's there'd there'd've there're there's they'd they'd've they'll they're they've
    wasn't we'd've we've weren't what'll what're what's what've when's where'd where's where've
    who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't wouldn't've
    y'all y'all'd've you'd you'd've you'll you're you've
    """.split()
}
"""Contractions by their letters: "dont" is "don't"."""


def normalize_vqa(text: str) -> str:
    """Normalize `text` as the evaluation of VQA v2 does (arXiv:1505.00468, and its program).

    Case, punctuation, the articles a, an, the and white space are ignored; number words up to ten
    are digits; contractions have their apostrophe. A mark next to a space disappears, and one
    between two words becomes a space. Departs: all answers of a row are normalised, where one
    version of the program leaves a row alone whose answers are all the same.
    """
    text = compose(text).replace("\n", " ").replace("\t", " ").strip()
    bare = text
    for mark in PUNCTUATION:
        is_outside = f"{mark} " in text or f" {mark}" in text
        is_dropped = is_outside or COMMA_IN_NUMBER.search(text) is not None
        bare = bare.replace(mark, "" if is_dropped else " ")
    words = (NUMBERS.get(word, word) for word in POINT.sub("", bare).lower().split())
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)
