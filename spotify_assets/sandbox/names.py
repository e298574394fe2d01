"""Invented names of artists, albums, tracks and labels, with the oddities that real ones have."""

# ruff: noqa: RUF001, SIM905 -- letters of other scripts are the point; words split from a text read better

from __future__ import annotations

from random import Random

_FIRST = (
    "Ada Alma Amara Anouk Aria Asha Bea Björn Bruno Callum Camille Chidi Cleo Dario Delia Dmitri Elif Elio Emre "
    "Esme Farid Fenna Finn Frida Gaia Goran Hana Hugo Ida Imani Ines Iris Ivo Jamal Jonas Juno Kaia Kofi Lars "
    "Leila Lena Lior Luca Luz Malik Mara Mateo Mila Nadia Niko Noor Nuno Olga Omar Oona Otis Petra Quinn Rafa "
    "Rhea Rosa Sami Selma Sigrún Solveig Talia Tariq Theo Tove Uma Vera Viktor Wanda Xenia Yara Yusuf Zora Zoë"
).split()
_LAST = (
    "Abara Almeida Andersen Aydın Baptiste Barrow Bellweather Brandt Calder Castellan Çelik Costa D'Arcy Dahl "
    "Devereux Eklund Falk Ferro Galloway Grimm Haddad Hallow Holm Ibarra Ito Jansen Kaminski Kessler Kovač Lark "
    "Lindqvist Lovelock Marchetti Mbeki Merrow Moreau Nakagawa Nilsson O'Neil Okafor Orlov Paszek Peña Quist "
    "Rasmussen Reyes Rivers Romero Saar Sato Sokolov Sørensen Stone Strand Tamm Torres Vale Varga Voss Weir "
    "Winter Yilmaz Zhou"
).split()
_ADJECTIVES = (
    "Amber Ancient Broken Burning Copper Crooked Distant Electric Empty Endless Faded Feral Frozen Gentle Gilded "
    "Golden Hollow Hidden Holy Infinite Iron Last Lonely Lost Lucky Midnight Neon Northern Pale Paper Quiet "
    "Restless Rusty Salt Scarlet Secret Silver Sleeping Slow Static Sudden Tender Velvet Violet Wild Wooden"
).split()
_NOUNS = (
    "Anthem Arcade Ashes Avenue Balcony Beacon Birds Bones Bridge Canyon Cathedral Circle Coast Comet Crown Dawn "
    "Desert Dream Echo Ember Engine Fever Fields Fire Garden Ghost Harbour Heart Horizon Hotel Island Kingdom "
    "Ladder Lantern Letter Lion Machine Machines Meadow Mirror Moon Motel Mountain Ocean Orchard Palace Parade "
    "Pilots Planet Radio Rain River Road Room Satellite Season Shadow Signal Sparrow Station Storm Summer Sunday "
    "Telephone Thunder Tiger Tower Train Tunnel Valley Wave Window Winter Wolves"
).split()
_OTHER_SCRIPT_ARTISTS = (
    "青い灯台 夜明けの庭 星屑レコード 月光電車 봄밤 하늘정거장 유리바다 은하열차 Северный_Свет Тихий_Дом "
    "Бумажный_Город Лунный_Трамвай Μπλε_Φεγγάρι Αργό_Φως نجوم_المدينة قمر_الليل רוח_צפון שמש_חורף नीला_आसमान "
    "रात_की_रेल 夏日电台 南方来信 云上车站 ดวงดาวสีคราม Bão_Đêm"
).split()
_OTHER_SCRIPT_TITLES = (
    "夜の電話 雨のち花火 ありがとう 너의_계절 밤편지함 여름이_끝나면 Зима_близко Последний_поезд Не_молчи "
    "Καλοκαίρι_ξανά Θάλασσα ليلة_طويلة يا_قلبي לילה_לבן दिल_की_बात बारिश 晚安城市 最后一班车 รักแรก Mưa_Tháng_Sáu"
).split()
_ODD_TITLES = (
    'The "Quiet" Part Out Loud',
    "Don't Wake the Neighbours",
    "Rock 'n' Roll Ain't Dead (It's Asleep)",
    "C:\\nights\\temp",
    "100% (No Cap) 🔥",
    "¿Dónde Estás?",
    "...",
    "Untitled #4",
    "Nº 7; or, The Long Way Home",
    "𝕊𝕝𝕠𝕨 𝔻𝕒𝕟𝕔𝕖",
    "Où est l'été ?",
    "I/O",
    "é (e\u0301)",
    "🫠",
    "A Song With a Remarkably Long Name That Goes On Because Somebody at the Label Lost a Bet and the Artwork "
    "Had Room for All of It, Every Last Word, Including This One",
)
_SUFFIXES = (
    " - Remastered 2026",
    " - Live",
    " - Acoustic",
    " - Radio Edit",
    " (Demo)",
    " - Instrumental",
    " (Sped Up)",
    " - Extended Mix",
)
_LABELS = (
    "Amber Lane Records|Blue Kettle|Brackish Sound|Cartwheel Music|Deep Field Recordings|Eleventh Floor|Ferrous|"
    "Glasshouse Recordings|Halfmoon Music Group|Idle Hands & Sons|Jetty|Kestrel Tapes|Long Shadow|Maplewood|"
    "Nordlicht Tonträger|Ostinato|Paper Tiger Rec.|Quarry Sounds|Red Bicycle|Salt & Cedar|Tin Roof|Undertow|"
    "Verso|Weathervane|Yellow Door Disques|Zenith Parade"
).split("|")
GENRES = (
    "afrobeats|alt z|ambient|art pop|bedroom pop|bossa nova|chamber pop|city pop|country|dance pop|deep house|"
    "dream pop|drill|drum and bass|folk|hip hop|hyperpop|indie rock|j-pop|jazz|k-pop|latin pop|lo-fi beats|metal|"
    "modern classical|neo soul|pop|post-punk|r&b|reggaeton|shoegaze|singer-songwriter|synthpop|techno|trap"
).split("|")


def _spaced(word: str) -> str:
    return word.replace("_", " ")


def artist_name(rng: Random) -> str:
    """A name of a person or a band, one in eight in another script."""
    style = rng.random()
    if style < 0.4:
        return f"{rng.choice(_FIRST)} {rng.choice(_LAST)}"
    if style < 0.6:
        return f"The {rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)}"
    if style < 0.72:
        return f"{rng.choice(_NOUNS)} {rng.choice(_NOUNS)}"
    if style < 0.8:
        return f"{rng.choice(_FIRST).upper()}.{rng.choice(_NOUNS)}"
    if style < 0.84:
        return f"{rng.choice(_FIRST)} “{rng.choice(_ADJECTIVES)}” {rng.choice(_LAST)}"
    if style < 0.88:
        return f"{rng.choice(_FIRST)} & The {rng.choice(_NOUNS)}"
    return f"{_spaced(rng.choice(_OTHER_SCRIPT_ARTISTS))} {rng.randrange(2, 100) if rng.random() < 0.3 else ''}".strip()


def title(rng: Random) -> str:
    """A title of an album or a track."""
    style = rng.random()
    if style < 0.3:
        return f"{rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)}"
    if style < 0.5:
        return str(rng.choice(_NOUNS))
    if style < 0.62:
        return f"{rng.choice(_NOUNS)} of the {rng.choice(_NOUNS)}"
    if style < 0.72:
        return f"Dear {rng.choice(_FIRST)}"
    if style < 0.8:
        return f"{rng.choice(_NOUNS).lower()} / {rng.choice(_NOUNS).lower()}"
    if style < 0.86:
        return f"{rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)}, Pt. {rng.randrange(1, 4)}"
    if style < 0.97:
        return _spaced(rng.choice(_OTHER_SCRIPT_TITLES))
    return rng.choice(_ODD_TITLES)


def track_title(rng: Random, guests: list[str]) -> str:
    """A title of a track, with its guests and now and then its version."""
    name = title(rng)
    if guests:
        name += f" (feat. {' & '.join(guests)})"
    return name + rng.choice(_SUFFIXES) if rng.random() < 0.06 else name


def label(rng: Random) -> str:
    """An invented label."""
    return rng.choice(_LABELS)


def genres(rng: Random) -> tuple[str, ...]:
    """None to three genres: Spotify knows none for many small artists."""
    return tuple(rng.sample(GENRES, rng.choice((0, 0, 1, 1, 2, 3))))
