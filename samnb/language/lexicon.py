"""Word lists of the language room, as data: what is a number, a pronoun, a colour, no thing.

The lists are ours and short on purpose: they name what turns up in captions of photographs.
A project that needs others passes its own to the stages of :mod:`samnb.language.stages`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text divided by blanks, which is how lists stay readable here."""
    return frozenset(text.split())


NUMBERS: Final = word_set(
    "one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty "
    "hundred thousand dozen hundreds thousands dozens"
)
"""Number words; digits are recognised by form."""
SEVERAL: Final = NUMBERS - {"one"} | word_set(
    "both many several few multiple numerous various some"
)
"""Words that say that there is more than one."""
ARTICLES: Final = word_set("a an the this that these those")
QUANTIFIERS: Final = word_set(
    "some any each every several many few both all another other most more enough either neither "
    "multiple numerous various such certain half couple lots plenty only just about nearly almost "
    "even"
)
NEGATIONS: Final = word_set("no not without zero none")
OWNERS: Final = word_set("my your his her its our their whose mine yours hers ours theirs")
"""Possessive words; the genitive 's is recognised by form."""
PREPOSITIONS: Final = word_set(
    "of with without in on at for from by near under over behind beside between above below "
    "into onto through across against along around beneath inside outside toward towards to that "
    "which who whose as than upon within atop next featuring"
)
HOLDING: Final = word_set("wearing holding carrying containing covered made filled topped")
"""Participles that begin what is said after a noun: "man wearing a hat"."""

PRONOUNS: Final = word_set(
    "i me we us you he him she it they them himself herself itself themselves yourself myself who "
    "whom what which that this these those there here something anything nothing everything "
    "someone somebody anyone anybody everyone everybody nobody none one ones other others another "
    "each both all some any many few several"
)
PLACE_WORDS: Final = word_set(
    "middle center centre top bottom front back side left right edge end corner background "
    "foreground distance inside outside rear part area spot position direction middle midst "
    "surroundings location place space region section portion vicinity beginning opposite "
    "backdrop midground horizon site upside underside perimeter interior exterior"
)
PICTURE_WORDS: Final = word_set(
    "photo photograph picture image shot view scene closeup close-up snapshot angle perspective "
    "screenshot video clip footage portrait selfie panorama illustration rendering depiction "
    "composition caption photography"
)
TIME_WORDS: Final = word_set(
    "day night morning afternoon evening noon midday dusk dawn time moment while second minute "
    "hour week weekend month year summer winter spring autumn fall season today sunset sunrise "
    "daytime nighttime birthday christmas holiday halloween easter thanksgiving anniversary"
)
MEASURES: Final = word_set(
    "group pair couple bunch set piece slice bit row line stack handful dozen lot variety "
    "collection series array assortment number plenty kind type sort half majority amount bunch "
    "cluster range selection mix mixture combination range bit dozen chunk load ton hundred "
    "thousand bite rest most remainder family"
)
"""Words that count or measure the thing that follows them: "a group of dogs"."""
ABSTRACT: Final = word_set(
    "idea way style color colour colours colors shape size activity fun love action event sport "
    "conversation attention pose mood look expression life work business trip vacation meeting "
    "tour air mid-air midair wind sunlight daylight motion order addition preparation progress "
    "use need fact thing stuff item object matter reason chance effort effect feeling atmosphere "
    "sense detail feature example pattern texture design arrangement weather sound noise music "
    "speed height length width weight depth name word story history nature beauty joy "
    "happiness peace silence freedom power energy luck hope dream memory thought mind "
    "opportunity experience moment occasion celebration competition performance practice "
    "training lesson class course match tennis golf hockey rugby cricket yoga surfing skiing "
    "skating skateboarding snowboarding swimming sailing fishing hiking cycling running jogging "
    "dancing cooking shopping camping traveling travelling riding walking flight ride walk dance "
    "swing jump trick stunt step move turn play break lunchtime dinnertime breakfast lunch "
    "dinner meal supper display contrast focus condition situation purpose process traffic "
    "variety sale offer price quality delivery shipping free inspiration everyday "
    "relaxation stroll nap sleep rest swim dip"
)
"""Heads that name nothing with a boundary, though a captioner likes them."""
VAGUE_MODIFIERS: Final = word_set(
    "very really quite rather so too extremely incredibly beautiful beautifully nice lovely "
    "gorgeous stunning amazing awesome wonderful great good bad pretty cute adorable perfect "
    "interesting unusual strange typical traditional different same own favorite favourite "
    "single only just entire whole main certain particular similar other various such popular "
    "famous delicious tasty yummy best better worst ideal special unique cool fun lovable "
    "happy sad proud lonely unidentified unknown random average"
)
"""Words that a picture cannot settle; they are taken away before a phrase is asked about."""
AMBIGUOUS_COLOURS: Final = word_set(
    "orange rose gold silver olive peach lime cream chocolate lavender violet salmon turquoise "
    "pink plum apricot mustard coral"
)
"""Colour words that also name a thing: alone they may stand."""

COLOURS: Final = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black", "gray",
    "brown", "beige", "tan", "gold", "silver", "turquoise", "maroon", "navy",
)  # fmt: skip
NEAR_COLOURS: Final = MappingProxyType(
    {
        "red": ("orange", "pink", "maroon", "brown"),
        "orange": ("red", "yellow", "brown", "gold"),
        "yellow": ("orange", "gold", "beige", "white"),
        "green": ("turquoise", "yellow", "blue"),
        "blue": ("purple", "navy", "turquoise", "green"),
        "purple": ("blue", "pink", "maroon"),
        "pink": ("red", "purple", "white", "beige"),
        "white": ("beige", "gray", "silver", "yellow"),
        "black": ("gray", "navy", "brown"),
        "gray": ("silver", "white", "black", "beige"),
        "brown": ("tan", "beige", "maroon", "orange"),
        "beige": ("tan", "white", "brown", "yellow"),
        "tan": ("beige", "brown", "orange"),
        "gold": ("yellow", "silver", "orange"),
        "silver": ("gray", "white", "gold"),
        "turquoise": ("blue", "green"),
        "maroon": ("red", "brown", "purple"),
        "navy": ("blue", "black", "purple"),
    }
)
"""Colours that are taken for one another most easily, nearest first."""
SHADES: Final = frozenset(
    frozenset(pair)
    for pair in (
        ("gray", "silver"), ("yellow", "gold"), ("beige", "tan"), ("brown", "tan"),
        ("blue", "navy"), ("blue", "turquoise"), ("green", "turquoise"), ("red", "maroon"),
        ("white", "beige"),
    )
)  # fmt: skip
"""Colours that are true of one thing at once, so that one is no negative of the other."""
PATTERNS: Final = (
    "striped", "spotted", "checkered", "dotted", "plaid", "floral", "plain", "polka-dot",
)  # fmt: skip
MATERIALS: Final = (
    "wooden", "metal", "plastic", "glass", "leather", "stone", "brick", "concrete", "paper",
    "ceramic", "cardboard", "wicker", "rubber", "straw", "knitted", "denim", "marble",
)  # fmt: skip
SHAPES: Final = ("round", "square", "rectangular", "oval", "triangular", "curved", "pointed")
STATES: Final = (
    ("open", "closed"), ("empty", "full"), ("wet", "dry"), ("old", "new", "modern"),
    ("young", "old", "elderly"), ("sliced", "whole"), ("raw", "cooked", "grilled", "fried"),
    ("ripe", "unripe", "rotten"), ("parked", "moving"), ("lit", "unlit"),
    ("furry", "hairless"), ("clean", "dirty"), ("painted", "rusty"), ("bare", "leafy"),
)  # fmt: skip
"""Families of which a thing is one at a time."""
COMPARISONS: Final = word_set(
    "larger smaller bigger taller shorter longer wider narrower older younger largest smallest "
    "biggest tallest shortest longest oldest youngest closest nearest farthest nearer closer "
    "leftmost rightmost topmost bottommost"
)
"""Words that hold only against what else is seen; they are taken away everywhere."""
SIZES: Final = COMPARISONS | word_set(
    "big small large little tiny huge giant miniature tall short long wide narrow thick thin "
    "massive enormous mini medium-sized full-size first second third last"
)
"""Sizes and comparisons: over a clip they hold only against what else is seen."""
MOVING: Final = word_set(
    "running jumping walking sitting standing flying swimming moving sleeping eating playing "
    "riding driving falling lying crouching dancing barking galloping grazing leaping kneeling "
    "smiling laughing crying waving talking sprinting skating surfing skiing climbing diving "
    "parked stopped turning rolling spinning floating smoking drinking resting"
)
"""What something does, which may change within a clip."""
PEOPLE: Final = word_set(
    "person people man woman boy girl child kid baby toddler infant adult teenager teen lady "
    "gentleman guy couple family crowd player athlete worker student teacher doctor nurse chef "
    "waiter police officer soldier rider skier surfer skateboarder cyclist pedestrian bride "
    "groom tourist face head individual male female elder"
)
SENSITIVE: Final = word_set(
    "black white asian african caucasian hispanic latino latina arab indian jewish muslim "
    "christian hindu buddhist catholic gay lesbian bisexual transgender straight disabled "
    "handicapped blind deaf autistic crippled homeless poor rich wealthy obese fat overweight "
    "ethnic native foreign immigrant refugee illegal"
)
"""Before a word for people these say what a label must not say (the MV option "flag label")."""
SCENES: Final = word_set(
    "room kitchen bathroom bedroom livingroom office classroom hall hallway street road city town "
    "village beach park field forest wood woods desert mountain mountains sky ocean sea lake river "
    "ground floor wall ceiling grass snow sand water landscape scenery countryside farm garden "
    "backyard yard airport station restaurant cafe store shop market mall supermarket museum "
    "library stadium arena court pitch lawn meadow hill valley coast shore harbor harbour jungle "
    "sidewalk pavement highway parking lot dirt terrain environment neighborhood indoors "
    "outdoors cloud clouds"
)
"""Settings rather than things: on video they fill the whole picture."""

SPELLINGS: Final = MappingProxyType(
    {
        "grey": "gray", "coloured": "colored", "colour": "color", "tshirt": "t-shirt",
        "teeshirt": "t-shirt", "doughnut": "donut", "aeroplane": "airplane",
        "moustache": "mustache",
        "tyre": "tire", "pyjamas": "pajamas", "jewellery": "jewelry", "checked": "checkered",
        "chequered": "checkered", "yoghurt": "yogurt", "theatre": "theater", "fibre": "fiber",
        "stripy": "striped", "stripey": "striped", "dotty": "dotted", "woollen": "woolen",
        "golden": "gold", "silvery": "silver", "wood": "wooden", "mould": "mold",
        "hotdog": "hot dog", "skate-board": "skateboard", "surf-board": "surfboard",
        "snow-board": "snowboard", "lap-top": "laptop", "tee-shirt": "t-shirt",
        "tv": "television", "telly": "television", "fridge": "refrigerator", "bike": "bicycle",
        "motorbike": "motorcycle", "sofa": "couch", "cellphone": "cell phone",
    }
)  # fmt: skip
"""One spelling for each word when phrases are compared; shown phrases keep their own."""
VERBS: Final = word_set(
    "graze drive lie swing wait float walk stand sit fly play look run jump ride hold wear eat "
    "drink sleep swim climb rest pose lean hang pass stop rise fall cross pull push carry feed "
    "catch throw kick hit smile sail land watch stare face reach lead follow cover fill move"
)
"""Verbs that small parsers take for the head of what stands before them: "a giraffe graze"."""
