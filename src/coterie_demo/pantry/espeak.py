"""Speaks clips with eSpeak NG: a program by itself, so that its library stays out of ours."""

import ctypes
import json
import sys
import wave
from pathlib import Path

SYNCHRONOUS, WORDS_PER_MINUTE, RATE = 1, 150, 1
"""Of espeak_Initialize and espeak_SetParameter."""


def main(library: Path) -> None:
    """Synthesise the clips listed on standard input as JSON: "voice", "text" and "to"."""
    name = {"win32": "espeak-ng.dll", "darwin": "libespeak-ng.dylib"}
    espeak = ctypes.CDLL(str(library / name.get(sys.platform, "libespeak-ng.so")))
    data = str(library / "espeak-ng-data").encode()
    rate_hz = espeak.espeak_Initialize(SYNCHRONOUS, 0, data, 0)
    chunks: list[bytes] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    def heard(samples: int | None, count: int, events: int | None) -> int:
        if samples and count > 0:
            chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    espeak.espeak_SetSynthCallback(heard)
    espeak.espeak_ng_SetRandSeed(ctypes.c_long(0))
    for clip in json.load(sys.stdin):
        chunks.clear()
        if espeak.espeak_SetVoiceByName(clip["voice"].encode()):
            raise SystemExit(f"there is no voice {clip['voice']!r}")
        espeak.espeak_SetParameter(RATE, WORDS_PER_MINUTE, 0)
        text = clip["text"].encode()
        espeak.espeak_Synth(text, len(text) + 1, 0, 0, 0, SYNCHRONOUS, None, None)
        espeak.espeak_Synchronize()
        with wave.open(clip["to"], "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate_hz)
            file.writeframes(b"".join(chunks))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
