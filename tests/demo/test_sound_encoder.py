"""The folder of the shipped sound encoder is built without a network."""

from safetensors.torch import load_file

from coterie.models.omni.encoders.sound import SoundEncoder
from coterie_demo.locations import SOUND_ENCODER
from coterie_demo.sound_encoder import SoundEncoderWeights


def test_the_folder_is_built_of_the_shipped_file(tmp_path):
    said = []
    folder = SoundEncoderWeights().build(tmp_path / "sound", log=said.append)
    assert not [line for line in said if line.startswith("fetching")]
    state = SoundEncoder().load_weights(folder)
    assert state.keys() == load_file(SOUND_ENCODER).keys()
    card = (folder / "README.md").read_text()
    for part in ("Apache-2.0", "GPL-2.0", "CC-BY-3.0", "MIT", "test"):
        assert part in card
