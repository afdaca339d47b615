"""Voices, and the speaking of clips by eSpeak NG in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from coterie_demo.pantry import espeak
from coterie_demo.pantry.assets import SpeechClip

VOICES = (
    "en-us",
    "en-gb-x-rp",
    "en-us+f2",
    "en-gb-scotland+m3",
    "en-029+f4",
    "en-us+Annie",
    "en-gb-x-gbcwmd+m7",
    "en-us+steph",
)
VALIDATION_VOICES = ("en-gb-x-rp+m1",)
UNSEEN_VOICES = ("en-us+f5", "en-gb-scotland+Andrea", "en-us-nyc+m4")
"""Voices that no task trains on."""
VOICES_OF_SPLIT = {"train": VOICES, "validation": VALIDATION_VOICES, "test": UNSEEN_VOICES}


def speak(clips: Iterable[SpeechClip], library: Path, to: Path) -> None:
    """Writes a WAV file into `to` for each clip, 16 bits at eSpeak's own rate.

    The sounds depend on all clips the process synthesised before, so the order is fixed, and equal
    clips give equal bytes.
    """
    ordered = sorted(clips, key=lambda clip: (clip.voice, clip.text))
    if not ordered:
        return
    asked = [{"voice": c.voice, "text": c.text, "to": str(to / c.file)} for c in ordered]
    process = subprocess.run(
        [sys.executable, str(espeak.__file__), str(library)],
        input=json.dumps(asked),
        text=True,
        capture_output=True,
        check=False,
    )
    if process.returncode:
        raise ValueError(
            f"eSpeak NG in {library} failed with status {process.returncode}: "
            f"{process.stderr.strip()[-300:] or 'no output'}; delete that folder and the "
            "download, and fetch again"
        )
