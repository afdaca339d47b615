"""Notes have the pitch of their key and last as long as asked; other files are refused."""

import io

import numpy as np
import pytest
import soundfile

from coterie_demo.pantry.soundfont import (
    PLAYED_HZ,
    SoundFont,
    covers,
    iterate_chunks,
    make_envelope,
)
from tests.demo.pantry.tiny_soundfont import write_soundfont


@pytest.fixture(scope="module")
def font(tmp_path_factory) -> SoundFont:
    return SoundFont(write_soundfont(tmp_path_factory.mktemp("font") / "tiny.sf2", [0, 40]))


@pytest.mark.parametrize(("key", "hz"), [(69, 441), (81, 882), (57, 220.5), (76, 660.75)])
def test_a_note_has_the_pitch_of_its_key(font, key, hz):
    # An octave is 12 keys; 7 keys are a factor of 2 ** (7 / 12) = 1.4983. A second has `hz` rises.
    note = font.play(40, key, seconds=1.0)
    rises = ((note[:-1] <= 0) & (note[1:] > 0)).sum()
    assert len(note) == PLAYED_HZ and rises == pytest.approx(hz, abs=1)
    # 20 periods of the recording are 45 ms at its own pitch: the loop goes on to the end.
    assert np.abs(note[PLAYED_HZ // 2 : PLAYED_HZ // 2 + 500]).max() == pytest.approx(0.5, rel=0.01)


def test_a_key_that_no_zone_has_is_silent(font):
    assert not font.play(0, 110, seconds=0.1).any()
    assert covers({43: 60 | 72 << 8}, 72) and not covers({43: 60 | 72 << 8}, 73)
    # Velocities 0 to 99; notes are played at 100.
    assert not covers({44: 0 | 99 << 8}, 60)


def test_the_envelope_by_hand():
    # 1200 * log2(0.1) = -3986: an attack of 0.1 s. A sustain of 200 centibels is 20 dB, a tenth.
    times = {34: -3986, 36: -12000, 37: 200}
    envelope = make_envelope(times, PLAYED_HZ)
    at = [envelope[round(s * PLAYED_HZ)] for s in (0.05, 0.5, 0.975)]
    assert at[1] == pytest.approx(0.1, rel=0.01)
    assert at[2] == pytest.approx(0.05, rel=0.01)  # half of the release of 50 ms
    assert envelope[0] == 0.0


def test_a_compressed_recording_is_decoded(font):
    opened = io.BytesIO()
    sine = np.sin(np.arange(4410) / 10).astype(np.float32)
    soundfile.write(opened, sine, 44_100, format="OGG", subtype="VORBIS")
    font.content += opened.getvalue()
    start = len(font.content) - len(opened.getvalue()) - font.places[b"smpl"][0]
    sample = font.samples[0].__class__(
        start=start, end=start + len(opened.getvalue()), loop_start=0, loop_end=0, rate_hz=44_100,
        root=60, cents=0, is_compressed=True,
    )  # fmt: skip
    assert np.abs(font.load(sample)[500:4000] - sine[500:4000]).max() < 0.1


def test_chunks_of_odd_length_may_lack_their_padding():
    one, two = b"aaaa\x01\0\0\0x", b"bbbb\x02\0\0\0yz"
    expected = [(b"aaaa", 1), (b"bbbb", 2)]
    for between in (b"", b"\0"):
        content = one + between + two
        found = [(name, size) for name, _, size in iterate_chunks(content, 0, len(content))]
        assert found == expected


def test_another_file_is_refused(tmp_path):
    (tmp_path / "a.sf2").write_bytes(b"RIFF....WAVE")
    with pytest.raises(ValueError, match=r"a.sf2 is no SoundFont 2 file: it begins with b'RIFF"):
        SoundFont(tmp_path / "a.sf2")
    (tmp_path / "b.sf2").write_bytes(b"RIFF....sfbk")
    with pytest.raises(ValueError, match=r"b.sf2 is a damaged SoundFont 2 file: it has no .*inst"):
        SoundFont(tmp_path / "b.sf2")
