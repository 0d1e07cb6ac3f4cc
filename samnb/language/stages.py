"""The stages that turn noun chunks into phrases worth asking a model about.

They follow the SAM 3 paper's appendix on noun-phrase proposal: drop what cannot be grounded,
clean (singular, no possessives, no near-duplicates), drop what a fixed list names, and balance
against what is annotated already and what the model already gets right. There the filters are
fine-tuned language models; here they are rules and word lists, and any of them can be replaced
by a function that is passed in. Cleaning runs before balancing, because counts are kept by
cleaned phrase.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from samnb.language.balancing import BalancePolicy, Standing, balance
from samnb.language.duplicates import remove_duplicates
from samnb.language.inflect import head_index, normal, singular_phrase, words_of
from samnb.language.lexicon import (
    ABSTRACT,
    AMBIGUOUS_COLOURS,
    ARTICLES,
    COLOURS,
    COMPARISONS,
    MATERIALS,
    MEASURES,
    MOVING,
    NEGATIONS,
    NUMBERS,
    OWNERS,
    PATTERNS,
    PEOPLE,
    PICTURE_WORDS,
    PLACE_WORDS,
    PRONOUNS,
    QUANTIFIERS,
    SCENES,
    SENSITIVE,
    SHAPES,
    SIZES,
    SPELLINGS,
    TIME_WORDS,
    VAGUE_MODIFIERS,
    VERBS,
)
from samnb.language.ontology import Ontology, canonical
from samnb.language.records import Decision, Stage, drop, each, keep

LOOKS: Final = frozenset((*COLOURS, *PATTERNS, *MATERIALS, *SHAPES))
"""Attributes that a picture shows."""
_HEAD_REASONS: Final = (
    (PLACE_WORDS, "a place in the picture, not a thing"),
    (PICTURE_WORDS, "the picture itself, not a thing in it"),
    (TIME_WORDS, "a time, not a thing"),
    (ABSTRACT, "nothing with a boundary"),
)
_FILES: Final = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".tif", ".bmp", ".mp4", ".mov")
_UNSTEADY: Final = SIZES | MOVING
_BEFORE: Final = ARTICLES | QUANTIFIERS | NUMBERS


def tidy(phrase: str) -> Decision:
    """Lower case, single spaces, no punctuation."""
    text = normal(phrase)
    return keep(text) if text else drop(phrase, "no words in it")


def drop_negated(phrase: str) -> Decision:
    """Drop what is said not to be there: "no cars"."""
    words = words_of(phrase)
    found = NEGATIONS & set(words[: head_index(words) + 1]) if words else set()
    if found:
        return drop(phrase, f"{sorted(found)[0]!r} says that it is not there")
    return keep(phrase)


def strip_possessives(phrase: str) -> Decision:
    """Take the owner away: "the man's red hat" and "his red hat" become "red hat"."""
    words = list(words_of(phrase))
    for i in reversed(range(len(words))):
        if words[i].endswith(("'s", "s'")) and words[i] not in ("it's", "that's"):
            words = words[i + 1 :]
            break
    kept = [w for w in words if w not in OWNERS]
    if not kept:
        return drop(phrase, "only an owner")
    return keep(" ".join(kept), "an owner cannot be seen")


def singularise(phrase: str) -> Decision:
    """Put the head noun into the singular; every instance is found anyway."""
    return keep(singular_phrase(phrase) or phrase)


def strip_determiners(phrase: str) -> Decision:
    """Take away articles, numbers and measures: "the two", "a group of", "lots of"."""
    words = list(words_of(phrase))
    while words:
        if len(words) > 2 and words[0] in MEASURES | QUANTIFIERS and words[1] == "of":
            words = words[2:]
        elif len(words) > 3 and words[0] in SIZES and words[1] in MEASURES and words[2] == "of":
            words = words[3:]
        elif (
            words[0] in _BEFORE - PRONOUNS
            or words[0].isdigit()
            or (len(words) > 1 and words[0] in _BEFORE)
        ):
            words = words[1:]
        else:
            break
    if not words:
        return drop(phrase, "only a number or an article")
    # What stood behind "a group of" is the head now, and may be a plural.
    return keep(singular_phrase(" ".join(words)))


def strip_vague(phrase: str) -> Decision:
    """Take away words before the noun that a picture cannot settle: "beautiful", "various"."""
    words = words_of(phrase)
    at = head_index(words) if words else 0
    kept = tuple(
        w for i, w in enumerate(words) if i >= at or w not in VAGUE_MODIFIERS | COMPARISONS
    )
    return keep(" ".join(kept) or phrase, "a picture cannot settle it")


def drop_ungroundable(phrase: str) -> Decision:
    """Drop what has no place in the picture: "it", "the middle", "blue", "a variety"."""
    words = words_of(phrase)
    if not words:
        return drop(phrase, "no words in it")
    at = head_index(words)
    head, before = words[at], words[:at]
    if head in PRONOUNS:
        return drop(phrase, "a pronoun")
    if len(head) < 2 or not any(c.isalpha() for c in phrase):
        return drop(phrase, "not a word")
    looks = [w for w in before if SPELLINGS.get(w, w) in LOOKS]
    telling = [w for w in before if w not in SIZES and w != "and"]
    spelled = SPELLINGS.get(head, head)
    is_look = spelled in (*COLOURS, *PATTERNS, *SHAPES) or head == "wooden"
    if is_look and spelled not in AMBIGUOUS_COLOURS:
        return drop(phrase, "an attribute without its thing")
    if head in MEASURES and not telling:
        return drop(phrase, "a measure of something else")
    if any(w.endswith(_FILES) for w in words) or words[0] in ("img", "dsc", "dscf", "dscn"):
        return drop(phrase, "a file name")
    # "The top" is a place, "a red top" something to wear.
    if (head in ("top", "bottom") and looks) or (head == "picture" and "framed" in before):
        return keep(phrase)
    for listed, reason in _HEAD_REASONS:
        if head in listed:
            return drop(phrase, reason)
    return keep(phrase)


def strip_sensitive(phrase: str) -> Decision:
    """Take away words that sort people by origin, belief, health or means.

    They are what MV's answer "flag label" is for; about things they stay ("black dog").
    """
    words = words_of(phrase)
    if not words or words[head_index(words)] not in PEOPLE:
        return keep(phrase)
    at = head_index(words)
    kept = tuple(w for i, w in enumerate(words) if i >= at or w not in SENSITIVE)
    return keep(" ".join(kept), "a label does not sort people")


def strip_verb(ontology: Ontology) -> Stage:
    """Make the stage that mends a parser's slip: "giraffe graze" is a giraffe.

    Only where the last word is a common verb and the words before it name a concept, but not
    all of them together.
    """

    def decide(phrase: str) -> Decision:
        words = words_of(phrase)
        before = " ".join(words[:-1])
        is_slip = len(words) > 1 and words[-1] in VERBS and ontology.find(phrase) is None
        if is_slip and ontology.find(before) is not None:
            return keep(singular_phrase(before), f"{words[-1]!r} is a verb here")
        return keep(phrase)

    return each("verbs", decide)


def within(ontology: Ontology, names: Iterable[str] = ()) -> Stage:
    """Make the stage that keeps only phrases of the tree, or of some branches of it.

    Args:
        ontology: the tree.
        names: nodes whose descendants, and themselves, are wanted; none for the whole tree.

    Raises:
        InputError: a name is not in the tree.
    """
    wanted = {n for name in names for n in (name, *ontology.descendants(name))}

    def decide(phrase: str) -> Decision:
        match = ontology.find(phrase)
        if match is None:
            return drop(phrase, "not in the tree of concepts")
        if wanted and match.node not in wanted:
            return drop(phrase, f"{match.node!r} is outside the chosen branches")
        return keep(phrase)

    return each("branches", decide)


def restrict(restricted: Mapping[str, str] | Iterable[str]) -> Stage:
    """Make the stage that drops a fixed list: too frequent, or harmful to train on.

    Args:
        restricted: phrases, with the reason for each where it is a mapping; compared in
            canonical form.
    """
    if not isinstance(restricted, Mapping):
        restricted = dict.fromkeys(restricted, "")
    why = {canonical(p): reason or "on the restricted list" for p, reason in restricted.items()}

    def decide(phrase: str) -> Decision:
        reason = why.get(canonical(phrase))
        return drop(phrase, reason) if reason is not None else keep(phrase)

    return each("restricted", decide)


def drop_scene_level(phrase: str) -> Decision:
    """Drop settings, which fill the picture: "a kitchen", "the street" (video only)."""
    words = words_of(phrase)
    if words and singular_phrase(words[head_index(words)]) in SCENES:
        return drop(phrase, "a setting, not a thing in it")
    return keep(phrase)


def strip_unsteady(ontology: Ontology | None = None) -> Stage:
    """Make the stage that takes away sizes, comparisons and actions (video only).

    They need not hold over a whole clip: "running dog" becomes "dog".

    Args:
        ontology: tells "swimming pool" from "swimming dog"; None goes by the words alone.
    """

    def decide(phrase: str) -> Decision:
        words = words_of(phrase)
        match = ontology.find(phrase) if ontology is not None else None
        at = head_index(words) if words else 0
        n_before = len(match.modifiers) if match is not None else at
        kept = tuple(w for i, w in enumerate(words) if i >= n_before or w not in _UNSTEADY)
        return keep(" ".join(kept) or phrase, "it may not hold over the clip")

    return each("unsteady", decide)


def default_stages(
    ontology: Ontology | None = None,
    *,
    restricted: Mapping[str, str] | Iterable[str] = (),
    standings: Mapping[str, Standing] | None = None,
    policy: BalancePolicy | None = None,
) -> tuple[Stage, ...]:
    """Return the stages for images in their order.

    Args:
        ontology: recognises synonyms and parser's slips; None compares words only.
        restricted: see :func:`restrict`.
        standings: see :func:`balance`; None leaves balancing out.
        policy: see :func:`balance`.
    """
    stages = [
        each("tidy", tidy),
        each("negated", drop_negated),
        each("possessives", strip_possessives),
        each("singular", singularise),
        each("determiners", strip_determiners),
        each("vague words", strip_vague),
        *([strip_verb(ontology)] if ontology is not None else []),
        each("not groundable", drop_ungroundable),
        each("sensitive", strip_sensitive),
        restrict(restricted),
        remove_duplicates(ontology),
    ]
    if standings is not None:
        stages.append(balance(standings, policy, ontology=ontology))
    return tuple(stages)


def video_stages(
    ontology: Ontology | None = None,
    *,
    restricted: Mapping[str, str] | Iterable[str] = (),
    standings: Mapping[str, Standing] | None = None,
    policy: BalancePolicy | None = None,
) -> tuple[Stage, ...]:
    """Return the stages for clips: those for images, and no settings, sizes or actions."""
    stages = default_stages(ontology, restricted=restricted, standings=standings, policy=policy)
    before = next(i for i, s in enumerate(stages) if s.name == "duplicates")
    extra = (each("scene level", drop_scene_level), strip_unsteady(ontology))
    return (*stages[:before], *extra, *stages[before:])
