"""The dataset card as Markdown, with the YAML head that dataset hubs read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

from samnb.engine.cards.citations import SAM2_BIBTEX, SAM3_BIBTEX
from samnb.engine.cards.methods import media_words, methods_text
from samnb.engine.cards.records import CardFacts
from samnb.engine.cards.sections import (
    concepts_section,
    masklets_section,
    media_section,
    models_section,
    routing_section,
    settings_section,
    workers_section,
)
from samnb.engine.cards.words import UNKNOWN, code, count, listed, span

_SIZES: Final = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"),
                 (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"))  # fmt: skip


def card_page(facts: CardFacts) -> str:
    """Return the whole page."""
    name = facts.log.project or "Unnamed project"
    lines = [*_head(facts, name), f"# {name}", "", *_opening(facts), ""]
    sections: list[tuple[str, Iterable[str]]] = [
        ("How it was annotated", [methods_text(facts)]),
        ("Media", media_section(facts.media)),
        ("Models", models_section(facts)),
        ("People and other workers", workers_section(facts)),
    ]
    if facts.masklets:
        sections.append(("Masklets", masklets_section(facts.masklets)))
    if facts.concepts:
        sections.append(("Phrases and their masks", concepts_section(facts.concepts)))
        sections.append(("Who decides, and with what error", routing_section(facts.concepts)))
    sections += [
        ("Settings", settings_section(facts)),
        ("What the log does not say", [f"- {gap}" for gap in gaps(facts)]),
        ("Citation", _citation(facts)),
    ]
    for title, body in sections:
        lines += [f"## {title}", "", *body, ""]
    return "\n".join(lines).rstrip() + "\n"


# -- head ------------------------------------------------------------------------


def _head(facts: CardFacts, name: str) -> Iterator[str]:
    """YAML; strings are quoted as JSON, which YAML reads."""
    yield "---"
    yield f"pretty_name: {json.dumps(name, ensure_ascii=False)}"
    yield f"license: {json.dumps(facts.licence or UNKNOWN)}"
    yield f"annotations_creators: {json.dumps(_creators(facts))}"
    tasks = ["image-segmentation", "mask-generation"]
    yield f"task_categories: {json.dumps(tasks)}"
    n = len(facts.media)
    yield f"size_categories: {json.dumps([next((s for top, s in _SIZES if n < top), 'n>10M')])}"
    tags = ["samnb"]
    tags += ["masklets", "sam2"] if facts.masklets else []
    tags += ["noun-phrases", "sam3"] if facts.concepts else []
    tags += ["video"] if any(m.n_frames > 1 for m in facts.media) else []
    tags += ["simulated-annotators"] if any(w.kind == "simulated" for w in facts.workers) else []
    yield f"tags: {json.dumps(tags)}"
    yield "---"
    yield ""


def _creators(facts: CardFacts) -> list[str]:
    """Hubs know crowds, experts and machines; which people these were, the log cannot say."""
    if facts.is_empty:
        return ["no-annotation"]
    kinds = {w.kind for w in facts.workers if w.roles}
    machines = ["machine-generated"] if facts.models or kinds - {"person"} else []
    loop, pairs = facts.masklets, facts.concepts
    is_found = bool((loop and loop.imported) or (pairs and pairs.imported))
    return machines + (["found"] if is_found else []) + (["other"] if "person" in kinds else [])


def _opening(facts: CardFacts) -> Iterator[str]:
    log = facts.log
    yield (
        "This card was computed from the project's log alone; whoever has the log can compute "
        f"it again. The log has {count(log.n_events, 'event')}{span(log.first_s, log.last_s)} and "
        f"the SHA-256 `{log.digest}`."
    )
    yield ""
    held = [media_words(facts.media) if facts.media else "no media"]
    if facts.masklets:
        accepted = sum(s.accepted for s in facts.masklets.sources)
        held.append(
            f"{count(accepted, 'accepted masklet')} ({count(facts.masklets.masks, 'mask')})"
        )
    if facts.concepts:
        final = facts.concepts.positives + facts.concepts.negatives_final
        held.append(
            f"{count(final, 'final pair')} of a medium and a phrase "
            f"({count(facts.concepts.masks, 'mask')}, "
            f"{count(facts.concepts.negatives_final, 'verified negative')})"
        )
    yield f"**Contents:** {listed(held)}."


def gaps(facts: CardFacts) -> list[str]:
    """What a reader may want to know and the log does not hold, one sentence each."""
    found = []
    if facts.licence is None:
        found.append("Under which licence the media and annotations may be used.")
    found.append("Who the people are, what they were paid and told, and whether anybody shown "
                 "agreed.")  # fmt: skip
    if not facts.is_used_known:
        some = "some of the workers" if facts.used else "the workers"
        found.append(f"Which versions of samnb and other packages {some} used.")
    found.append("Whether and to whom the annotations were exported.")
    nameless = [code(m.name) for m in facts.models if m.version_hash is None]
    if nameless:
        found.append(f"The weights behind {listed(nameless)}: these names carry no hash.")
    unseen = [code(m.name) for m in facts.media if m.content_hash is None]
    if unseen:
        found.append(f"The content of {listed(unseen[:10])}"
                     + (f" and {len(unseen) - 10} more" if len(unseen) > 10 else "")
                     + ": only an annotation file told of them.")  # fmt: skip
    if any(m.is_missing is None for m in facts.media):
        found.append("Whether the media files are still where they were.")
    return found


def _citation(facts: CardFacts) -> Iterator[str]:
    yield "Please cite the papers whose data engines made these annotations:"
    yield ""
    yield "```bibtex"
    if facts.masklets or facts.is_empty:
        yield SAM2_BIBTEX
    if facts.concepts or facts.is_empty:
        yield SAM3_BIBTEX
    yield "```"
