"""Answers made comparable: case, punctuation, articles and white space do not count."""

import re
import unicodedata

BETWEEN_DIGITS = re.compile(r"(?<=\d),(?=\d{3}\b)")
DROPPED = re.compile(r"[.](?!\d)|['\u2019]")
ARTICLES = re.compile(r"\b(a|an|the)\b")


def normal(text: str) -> str:
    """`text` as it is compared.

    SQuAD's normalisation (arXiv:1606.05250), by which case, punctuation, the articles a, an, the
    and white space do not count. Departs: as in the VQA evaluation (arXiv:1505.00468), the point
    of a number stays, so that 3.5 is not 35, and so does a minus before one, be it U+2212 or a
    hyphen; commas between thousands go; symbols go as punctuation does, and both part words, but
    for apostrophes and points. If nothing is left, as of "A" or "?", only case and white space
    are taken out.
    """
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u2212", "-")
    plain = " ".join(folded.split())
    bare = DROPPED.sub("", BETWEEN_DIGITS.sub("", plain))
    bare = "".join(kept(bare, i) for i in range(len(bare)))
    return " ".join(ARTICLES.sub(" ", bare).split()) or plain


def kept(text: str, index: int) -> str:
    """The character at `index`, or a space in place of punctuation."""
    character = text[index]
    if unicodedata.category(character)[0] not in "PS":
        return character
    before, after = text[index - 1 : index], text[index + 1 : index + 2]
    is_point = character == "." and after.isdigit()
    is_number = after.isdigit() or (after == "." and text[index + 2 : index + 3].isdigit())
    is_sign = character == "-" and is_number and not before.isalnum()
    return character if is_point or is_sign else " "


def snake(name: str) -> str:
    """The name of a class as tasks.yaml has it: WordErrorRate is word_error_rate."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def spoken(text: str) -> str:
    """`text` as one hears it: case and punctuation, but for apostrophes, do not count.

    Whisper's basic normalisation (arXiv:2212.04356 appendix C), but brackets keep what is in them.
    If nothing is left, only white space is taken out.
    """
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    parts = [c if c == "'" or unicodedata.category(c)[0] not in "PSM" else " " for c in folded]
    return " ".join("".join(parts).split()) or " ".join(text.split())
