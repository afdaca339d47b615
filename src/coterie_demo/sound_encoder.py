"""The sound encoder that comes with the package, as a folder of weights like the fetched ones."""

import shutil
from pathlib import Path

from coterie import serialization
from coterie.models.omni.encoders.sound import SoundEncoder
from coterie_demo.locations import MODEL, SOUND_ENCODER
from coterie_demo.weights import PackagedWeights, write_json


class SoundEncoderWeights(PackagedWeights):
    """The encoder of sounds: 1.7 M parameters, a token for 320 ms. Nothing is fetched."""

    folder = "sound"
    packages = ()
    sha256 = "d179f9e618b8276460764ca1cd9b7c6db4a0482e0cc33711c6da85f8e1f3494a"
    licence = "trained with coterie, Apache-2.0; on recordings under the licences that its card has"
    card = """# A small encoder of sounds

Three convolutions over the log-mel of Whisper's extractor and three transformer layers: 1.7 M
parameters in float16, a token of 192 numbers for 320 ms. Trained by coterie's authors, Apache-2.0,
with `python -m coterie_demo.train_sound_encoder`; no recording is in it.

Trained on, by labels that it does not keep: drum hits of six kits of Hydrogen (BJA_Pacific,
CC-BY-SA-3.0, by Luc Tanguay; ColomboAcousticDrumkit, GPL-2.0-or-later, by Marcos Guglielmetti;
ElectricEmpireKit, HardElectro1 and VariBreaks, GPL-2.0-or-later, by Artemiy Pavlov; The Black
Pearl, GPL-2.0-only, by Glen MacArthur) and of the drum kits of FluidR3 Mono; notes of the
instruments of that sound font (MIT, by Frank Wen and Michael Cowgill); and the recordings of Tux
Paint (GPL-2.0-or-later) that `sound_kind` trains on. The test splits of the pantry have kits of
other makers, another sound font and other recordings. Kits under CC-BY-3.0 and CC0-1.0 are in the
validation split alone.

A linear classifier of its features, trained on the training hits of `drums`, is right for 78.2 % of
the 147 test hits, of kits of other makers; of Whisper base's 72.8 %, of the log-mel's 74.8 %, and
the most frequent answer 26.5 %. With its connector trained, the nearest of 137 captions is right
for 103 of 143 validation sounds.
`experiments/sounds.py` probes its features on the test splits, beside Whisper's and the log-mel.

It was not trained on speech, and on few sounds of animals and things.
"""

    def convert(self, source: Path, to: Path) -> None:
        shutil.copyfile(SOUND_ENCODER, to / MODEL)
        write_json(to / "config.json", {"encoder": serialization.dump(SoundEncoder())})
