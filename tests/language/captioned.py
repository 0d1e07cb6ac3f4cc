"""Captions of pictures that do not exist, and what should be asked of them."""

CAPTIONS = {
    "A man's red hat lies on the brown wooden table next to two wine glasses.":
        {"red hat", "brown wooden table", "wine glass"},
    "Two dogs are playing with a frisbee in the middle of a grassy field.":
        {"dog", "frisbee", "grassy field"},
    "A group of people standing around a table with plates of food and glasses of wine.":
        {"person", "table", "plate", "food", "glass of wine", "wine"},
    "There are no cars on the street, only a few parked bicycles and an old lamp post.":
        {"street", "parked bicycle", "old lamp post"},
    "A close-up photo of a gray Siamese cat sleeping on her owner's laptop keyboard.":
        {"gray siamese cat", "laptop keyboard"},
    "Several children in yellow raincoats jump into a puddle while their teacher watches.":
        {"child", "yellow raincoat", "puddle", "teacher"},
    "It is a sunny day and there are lots of kites in the blue sky above the beach.":
        {"kite", "blue sky", "beach"},
    "A slice of pizza and a cup of coffee on a checkered tablecloth.":
        {"pizza", "cup", "coffee", "checkered tablecloth"},
    "A double-decker bus drives past Big Ben in London on a cloudy afternoon.":
        {"double-decker bus"},
    "A snowboarder without a helmet jumps off a ramp, his board covered in stickers.":
        {"snowboarder", "ramp", "board", "sticker"},
    "A bunch of ripe bananas and half of an orange lie on a cutting board beside a knife.":
        {"ripe banana", "orange", "cutting board", "knife"},
    "Men's leather shoes, a grey sweater, gray sweaters and a pair of blue jeans on sale.":
        {"leather shoe", "grey sweater", "blue jeans"},
    "A striped red cup, three blue kites, a spotted pink turtle and some leaves in a meadow.":
        {"striped red cup", "blue kite", "spotted pink turtle", "leaf", "meadow"},
}  # fmt: skip
