"""Words of a phrase: cutting them apart, finding the head noun, plural to singular.

English only, by rule and short lists of exceptions; no model is asked.
"""

from __future__ import annotations

import re
import unicodedata
from types import MappingProxyType
from typing import Final

from samnb.language.lexicon import ARTICLES, HOLDING, MOVING, PREPOSITIONS, SEVERAL, word_set

_WORD = re.compile(r"[^\W_]+(?:['\-./&][^\W_]+)*(?:'(?=\s|$))?")

INVARIANT: Final = word_set(
    "sheep deer fish starfish jellyfish goldfish swordfish moose bison shrimp salmon trout "
    "squid aircraft spacecraft hovercraft watercraft offspring series species glasses "
    "sunglasses eyeglasses goggles scissors pants jeans shorts trousers leggings tights "
    "pajamas pyjamas overalls clothes binoculars headphones earphones earbuds tweezers pliers "
    "tongs shears news chess lens gas bus canvas atlas christmas bias alias pancreas tennis "
    "mathematics gymnastics athletics physics electronics graphics politics ethics swiss "
    "chassis corps headquarters barracks crossroads gallows stairs suspenders briefs boxers "
    "stockings groceries fireworks remains surroundings outskirts premises underpants "
    "sweatpants texas vegas paris mars venus dais plus minus yes this his its us as is was has "
    "does always perhaps sometimes besides towards afterwards cosmos chaos asparagus citrus "
    "hummus molasses asbestos pathos sports lotus pegasus ss ramen omen specimen abdomen "
    "stamen regimen acumen semen women's men's children's couscous police cattle broccoli hors "
    "d'oeuvres sos dos pros abs glass brass grass bass moss cross boss dress mess cheers "
    "thanks tripod antifreeze platypus octopus walrus cactus hippopotamus rhinoceros"
)
"""Words that stay as they are: no plural form, or plural by nature ("scissors")."""
IRREGULAR: Final = MappingProxyType(
    {
        "men": "man", "women": "woman", "children": "child", "people": "person",
        "feet": "foot", "teeth": "tooth", "geese": "goose", "mice": "mouse", "lice": "louse",
        "dice": "die", "oxen": "ox", "knives": "knife", "wives": "wife", "lives": "life",
        "leaves": "leaf", "loaves": "loaf", "wolves": "wolf", "shelves": "shelf",
        "halves": "half", "scarves": "scarf", "calves": "calf", "hooves": "hoof",
        "elves": "elf", "thieves": "thief", "selves": "self", "dwarves": "dwarf",
        "potatoes": "potato", "tomatoes": "tomato", "heroes": "hero", "mosquitoes": "mosquito",
        "volcanoes": "volcano", "mangoes": "mango", "torpedoes": "torpedo", "echoes": "echo",
        "buffaloes": "buffalo", "dominoes": "domino", "tornadoes": "tornado",
        "flamingoes": "flamingo", "cargoes": "cargo", "avocadoes": "avocado",
        "cacti": "cactus", "fungi": "fungus", "octopi": "octopus", "radii": "radius",
        "cookies": "cookie", "movies": "movie", "zombies": "zombie", "selfies": "selfie",
        "hoodies": "hoodie", "smoothies": "smoothie", "brownies": "brownie", "ties": "tie",
        "veggies": "veggie", "birdies": "birdie", "pixies": "pixie", "calories": "calorie",
        "collies": "collie", "rookies": "rookie", "hippies": "hippie", "genies": "genie",
        "talkies": "talkie", "magpies": "magpie", "neckties": "necktie", "eyries": "eyrie",
        "beanies": "beanie", "onesies": "onesie", "pinkies": "pinkie", "prairies": "prairie",
        "buses": "bus", "minibuses": "minibus", "gases": "gas", "lenses": "lens",
        "irises": "iris", "canvases": "canvas", "atlases": "atlas", "axes": "axe",
        "pickaxes": "pickaxe", "quizzes": "quiz", "oases": "oasis", "crises": "crisis",
        "headaches": "headache", "mustaches": "mustache", "moustaches": "moustache",
        "avalanches": "avalanche", "caches": "cache", "quiches": "quiche", "aches": "ache",
        "trellises": "trellis", "rhinoceroses": "rhinoceros", "yachts": "yacht",
        "antennae": "antenna", "vertebrae": "vertebra", "larvae": "larva", "dogfishes": "dogfish",
        "fishes": "fish", "sheeps": "sheep", "deers": "deer", "biceps": "biceps",
        "passersby": "passerby", "graffiti": "graffiti", "spaghetti": "spaghetti",
        "bacteria": "bacterium", "blouses": "blouse", "spouses": "spouse", "causes": "cause",
        "skis": "ski", "taxis": "taxi", "bikinis": "bikini", "kiwis": "kiwi", "safaris": "safari",
        "zucchinis": "zucchini", "wharves": "wharf", "muses": "muse",
        "cruises": "cruise", "bruises": "bruise",
    }
)  # fmt: skip
_DRINKS: Final = word_set(
    "wine champagne beer water juice shot drinking cocktail martini whiskey milk tall empty "
    "stained pint soda"
)
_MANY_ENDS = (
    ("children", "child"), ("teeth", "tooth"), ("feet", "foot"), ("geese", "goose"),
    ("wives", "wife"), ("shelves", "shelf"), ("wolves", "wolf"), ("people", "person"),
)  # fmt: skip


def words_of(text: str) -> tuple[str, ...]:
    """Cut a phrase into lower-case words; hyphens and apostrophes inside a word stay.

    Accents stay, typographic quotes become plain, all other punctuation goes.
    """
    if text.isascii():
        return tuple(_WORD.findall(text.lower()))
    plain = unicodedata.normalize("NFKC", text).replace("\u2019", "'").replace("\u2018", "'")
    # Lower-casing can undo the normal form (and the other way round), so it comes between two.
    plain = unicodedata.normalize("NFKC", plain.lower())
    return tuple(_WORD.findall(plain))


def normal(text: str) -> str:
    """Return a phrase as its words with single spaces between."""
    return " ".join(words_of(text))


def head_index(words: tuple[str, ...]) -> int:
    """Return where the head noun stands: the last word before what is said after it.

    ``("red", "cup", "of", "coffee")`` gives 1.

    Raises:
        ValueError: there are no words.
    """
    if not words:
        raise ValueError("words: expected at least one, got none")
    for i in range(1, len(words)):
        word, after = words[i], words[i + 1] if i + 1 < len(words) else ""
        ends = word in PREPOSITIONS or word in HOLDING
        # "dog sitting on ..." but not "black walking stick"
        if not ends and word in MOVING:
            ends = not after or after in PREPOSITIONS or after in ARTICLES
        if ends:
            return i - 1
    return len(words) - 1


def singular(word: str) -> str:
    """Return the singular of one noun in lower case; a singular comes back unchanged."""
    seen = word
    # Some odd forms need two steps ("mens"); every step shortens or ends in a listed word.
    while (now := _singular_once(seen)) != seen:
        seen = now
    return seen


def _singular_once(word: str) -> str:
    front, mark, last = word.rpartition("-")
    if mark:
        return front + mark + _singular_once(last)
    if word in INVARIANT:
        return word
    if word in IRREGULAR:
        return IRREGULAR[word]
    for many, single in _MANY_ENDS:
        if word.endswith(many):
            return word[: -len(many)] + single
    if word.endswith("men") and len(word) > 4:
        return word[:-3] + "man"
    if len(word) < 3 or not word.endswith("s") or word.endswith(("ss", "us", "is", "'s", "ous")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y" if len(word) > 4 else word[:-1]
    if word.endswith("uses") and not word.endswith(("ouses", "auses")):
        return word[:-2]
    if word.endswith(("sses", "shes", "ches", "xes", "tzes", "zzes")):
        return word[:-2]
    return word[:-1]


def singular_phrase(phrase: str) -> str:
    """Return a phrase with its head noun in the singular; other words stay ("sports car").

    "Glasses" stay glasses on a nose and become a glass when counted or beside a drink.
    """
    return " ".join(singular_words(words_of(phrase)))


def singular_words(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of a phrase with its head noun in the singular."""
    if not words:
        return ()
    at = head_index(words)
    head = words[at]
    if head == "glasses":
        before = set(words[:at])
        is_drink = before & _DRINKS or before & SEVERAL or any(w.isdigit() for w in before)
        of_drink = words[at + 1 : at + 2] == ("of",)
        new = "glass" if is_drink or of_drink else head
    else:
        new = singular(head)
    return (*words[:at], new, *words[at + 1 :])
