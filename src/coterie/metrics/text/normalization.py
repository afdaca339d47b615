"""Normalisation of answers: case, punctuation, articles and white space are ignored."""

import re
import unicodedata

BETWEEN_DIGITS = re.compile(r"(?<=\d),(?=\d{3}\b)")
DROPPED = re.compile(r"[.](?!\d)|['\u2019]")
ARTICLES = re.compile(r"\b(a|an|the)\b")
UNSPACED = (
    range(0x0E00, 0x0F00),  # Thai, Lao
    range(0x1000, 0x10A0),  # Myanmar
    range(0x1780, 0x1800),  # Khmer
    range(0x3005, 0x3008),  # iteration and closing marks, ideographic zero
    range(0x3040, 0x3100),  # Hiragana, Katakana
    range(0x31F0, 0x3200),  # Katakana, small
    range(0x3400, 0x4DC0),  # CJK ideographs
    range(0x4E00, 0xA000),
    range(0xF900, 0xFB00),
    range(0x1B000, 0x1B170),  # old Kana
    range(0x20000, 0x40000),  # rare CJK ideographs
)
"""Code points of scripts without spaces between words."""


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
    arXiv:1910.07475). Korean has spaces and is split by them.
    """
    parts: list[str] = []
    alone = False
    for character in normalize(text):
        if unicodedata.category(character)[0] != "M":
            was_alone, alone = alone, is_unspaced(character)
            parts += " " if alone or was_alone else ""
        parts.append(character)
    return "".join(parts).split()


def is_unspaced(character: str) -> bool:
    """Return whether a character is a letter of a script without spaces; digits never are."""
    return any(ord(character) in block for block in UNSPACED) and not character.isdigit()


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
