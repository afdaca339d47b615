"""Normalisation of answers: case, punctuation, articles and white space are ignored."""

import re
import unicodedata

BETWEEN_DIGITS = re.compile(r"(?<=\d),(?=\d{3}\b)")
DROPPED = re.compile(r"[.](?!\d)|['\u2019]")
ARTICLES = re.compile(r"\b(a|an|the)\b")
UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai and Lao, Myanmar, Khmer
    r"\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\U0001b000-\U0001b16f"  # iteration marks, Kana
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"  # CJK ideographs
)
"""Characters of scripts without spaces between words."""


def normalize(text: str) -> str:
    """Normalize `text` for comparison.

    SQuAD's normalisation (arXiv:1606.05250), which ignores case, punctuation, the articles a, an,
    the and white space. Departs: as in the VQA evaluation (arXiv:1505.00468), the point of a
    number stays, so that 3.5 is not 35, and so does a minus sign before one (U+2212 or hyphen);
    commas between thousands are removed; symbols are treated as punctuation, and both separate
    words, except apostrophes and points. If nothing remains, as of "A" or "?", only case and white
    space are normalised.
    """
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u2212", "-")
    plain = " ".join(folded.split())
    bare = DROPPED.sub("", BETWEEN_DIGITS.sub("", plain))
    bare = "".join(keep_alphanumeric(bare, i) for i in range(len(bare)))
    return " ".join(ARTICLES.sub(" ", bare).split()) or plain


def keep_alphanumeric(text: str, index: int) -> str:
    """Return the character at `index`, or a space in place of punctuation."""
    character = text[index]
    if unicodedata.category(character)[0] not in "PS":
        return character
    before, after = text[index - 1 : index], text[index + 1 : index + 2]
    is_point = character == "." and after.isdigit()
    is_number = after.isdigit() or (after == "." and text[index + 2 : index + 3].isdigit())
    is_sign = character == "-" and is_number and not before.isalnum()
    return character if is_point or is_sign else " "


def words_in(text: str) -> list[str]:
    """Return the words of `normalize(text)`.

    In scripts without spaces, each character is a word, with its vowel and tone signs: Chinese,
    Japanese, Thai, Lao, Khmer and Myanmar (Chinese as in the evaluation of MLQA,
    arXiv:1910.07475). Korean has spaces and is split by them; digits are not split.
    """
    parts: list[str] = []
    alone = False
    for character in normalize(text):
        if unicodedata.category(character)[0] != "M":
            was_alone = alone
            alone = bool(UNSPACED.match(character)) and not character.isdigit()
            parts += " " if alone or was_alone else ""
        parts.append(character)
    return "".join(parts).split()


def to_snake_case(name: str) -> str:
    """Convert a class name to snake case: WordErrorRate is word_error_rate."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def normalize_speech(text: str) -> str:
    """Normalize `text` as spoken: case and punctuation except apostrophes are ignored.

    Whisper's basic normalisation (arXiv:2212.04356 appendix C), but text in brackets is retained.
    If nothing remains, only white space is normalised.
    """
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    parts = [c if c == "'" or unicodedata.category(c)[0] not in "PSM" else " " for c in folded]
    return " ".join("".join(parts).split()) or " ".join(text.split())
