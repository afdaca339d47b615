"""Answers made comparable: case, punctuation, articles and white space do not count."""

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
"""Code points of scripts that put no space between words."""


def normalize(text: str) -> str:
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
    bare = "".join(keep_alphanumeric(bare, i) for i in range(len(bare)))
    return " ".join(ARTICLES.sub(" ", bare).split()) or plain


def keep_alphanumeric(text: str, index: int) -> str:
    """The character at `index`, or a space in place of punctuation."""
    character = text[index]
    if unicodedata.category(character)[0] not in "PS":
        return character
    before, after = text[index - 1 : index], text[index + 1 : index + 2]
    is_point = character == "." and after.isdigit()
    is_number = after.isdigit() or (after == "." and text[index + 2 : index + 3].isdigit())
    is_sign = character == "-" and is_number and not before.isalnum()
    return character if is_point or is_sign else " "


def words_in(text: str) -> list[str]:
    """The words of `normal(text)`.

    Where a script puts no space between words, each character is a word, with the vowel and tone
    signs on it: Chinese, Japanese, Thai, Lao, Khmer and Myanmar (of Chinese as in the evaluation
    of MLQA, arXiv:1910.07475). Korean has spaces and is split by them.
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
    """Whether a character is a letter of a script without spaces; digits never are."""
    return any(ord(character) in block for block in UNSPACED) and not character.isdigit()


def to_snake_case(name: str) -> str:
    """The name of a class as tasks.yaml has it: WordErrorRate is word_error_rate."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def normalize_speech(text: str) -> str:
    """`text` as one hears it: case and punctuation, but for apostrophes, do not count.

    Whisper's basic normalisation (arXiv:2212.04356 appendix C), but brackets keep what is in them.
    If nothing is left, only white space is taken out.
    """
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    parts = [c if c == "'" or unicodedata.category(c)[0] not in "PSM" else " " for c in folded]
    return " ".join("".join(parts).split()) or " ".join(text.split())
