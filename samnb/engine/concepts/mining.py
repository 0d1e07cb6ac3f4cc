"""Phrases for the queue: from captions, and hard negatives that fool the current model.

What was mined, what was dropped and why goes into the log. Balancing looks at the log too:
phrases that are annotated often enough or that the current model gets right are left out, so
the loop mines next what the model fails on (SAM 3 paper, appendix on noun-phrase proposal).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from samnb.engine.concepts.acts import pair_bodies
from samnb.engine.concepts.clips import unfit
from samnb.engine.concepts.quality import decided_masks, proposed_masks
from samnb.engine.concepts.sampling import masks_by_frame
from samnb.engine.concepts.state import ConceptState, PairState
from samnb.events import Body
from samnb.events.concepts import ConceptStep, NegativesChecked, PairOrigin, PhrasesMined
from samnb.language.adversarial import check_adversarial
from samnb.language.balancing import BalancePolicy, Standing
from samnb.language.captions import FrameCaptions, GivenCaptions
from samnb.language.chunks import Chunker, load_chunker, mine_phrases
from samnb.language.negatives import NegativeCandidate, propose_negatives
from samnb.language.ontology import Ontology
from samnb.language.ontologyfile import default_ontology
from samnb.language.proposers import AttributeSwap, NounSwap, OntologyProposer
from samnb.language.records import PhraseRecord, Stage, kept_phrases
from samnb.language.stages import default_stages, video_stages
from samnb.language.video import collect_phrases
from samnb.models.concepts import Captioner, ConceptSegmenter, PhraseProposer
from samnb.types import InputError

if TYPE_CHECKING:
    from samnb.engine.concepts.session import ConceptSession

HELD_OUT_SHARE: Final = 0.25
"""Share of media whose pairs are never trained on."""


@dataclass(frozen=True, slots=True)
class Mined:
    """What a round of mining came to.

    Attributes:
        status: "done" or "cancelled".
        n_media: media that were looked at.
        n_pairs: new pairs.
        n_dropped: phrases or candidates that were left out; the log says why.
    """

    status: str
    n_media: int
    n_pairs: int
    n_dropped: int

    def __str__(self) -> str:
        return (
            f"{self.n_pairs} new pairs in {self.n_media} media, {self.n_dropped} phrases left "
            f"out ({self.status})"
        )


def is_held_out(media_id: str, share: float = HELD_OUT_SHARE) -> bool:
    """Whether the pairs of a medium are for measuring alone; its content decides, so that
    every project holds the same media out."""
    digest = hashlib.sha256(f"held out:{media_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


def standings(state: ConceptState) -> dict[str, Standing]:
    """What the log says of each phrase: instances annotated, and how right the newest
    proposals were, as the mean local F1 of proposed against decided masks."""
    rows: dict[str, list[PairState]] = {}
    for pair in state.pairs.values():
        if pair.step is ConceptStep.FINAL:
            rows.setdefault(pair.phrase, []).append(pair)
    return {
        phrase: Standing(
            sum(len(p.masks) for p in found),
            len(found),
            sum(agreement(p) for p in found) / len(found),
        )
        for phrase, found in rows.items()
    }


def agreement(pair: PairState) -> float:
    """How far the newest proposal of a final pair was right, in [0, 1]: F1 of the masks
    that survived as they were, without looking at pixels; 1.0 for a verified negative for
    which nothing was proposed."""
    proposed = {m.key for m in proposed_masks(pair)}
    decided = {m.key for m in decided_masks(pair)}
    if not proposed and not decided:
        return 1.0
    return 2 * len(proposed & decided) / (len(proposed) + len(decided))


def mine(
    loop: ConceptSession,
    captioner: Captioner | GivenCaptions | FrameCaptions,
    *,
    media_ids: Collection[str] | None = None,
    chunker: Chunker | None = None,
    ontology: Ontology | None = None,
    policy: BalancePolicy | None = None,
    restricted: Mapping[str, str] | Iterable[str] = (),
    stages: Sequence[Stage] = (),
    held_out_share: float = HELD_OUT_SHARE,
    caption_every: int = 1,
    min_frames: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> Mined:
    """Caption media, take phrases from the captions, clean and balance them, add pairs.

    Of a video every annotated frame is captioned; settings, sizes and actions are left out,
    which need not hold over the clip, and a phrase that several frames name becomes one pair
    (SAM 3 paper, appendix on the video engine). Clips that a filter took out are passed over.

    Args:
        loop: the project.
        captioner: a model, or captions that are there already.
        media_ids: which media; None for all that were not mined yet.
        chunker: takes noun phrases from a caption; None loads spaCy's.
        ontology: recognises synonyms; None takes the one that ships.
        policy: when a phrase is left out; None takes the usual one.
        restricted: phrases that are never asked for, with the reason for each where it is a
            mapping; those found not maskable join them.
        stages: of your own, after the usual ones, such as
            :func:`samnb.language.stages.within` or a
            :func:`samnb.language.records.policy_stage`.
        held_out_share: share of media whose pairs are held out.
        caption_every: of a video, annotated frames from one caption to the next.
        min_frames: a phrase that fewer captioned frames of a video name is left out.
        on_progress: called with (media done, media in all).
        cancel: set it from another thread to stop after the present medium.

    Raises:
        InputError: ``caption_every`` or ``min_frames`` is below 1.
        ModelError: spaCy or its model is missing, or the captioner fails.
    """
    if caption_every < 1 or min_frames < 1:
        raise InputError(
            f"caption_every, min_frames: expected 1 or more, got {caption_every}, {min_frames}"
        )
    chunker = chunker or load_chunker()
    tree = ontology or default_ontology()
    never = dict(restricted) if isinstance(restricted, Mapping) else dict.fromkeys(restricted, "")
    loop.refresh()
    events = loop.session.log.read()
    past = {e.body.media_id for e in events if isinstance(e.body, PhrasesMined)}
    past |= set(unfit(events))
    every = loop.session.state.media
    todo = list(media_ids) if media_ids is not None else [m for m in every if m not in past]
    n_pairs = n_dropped = done = 0
    for media_id in todo:
        if cancel is not None and cancel.is_set():
            break
        state = loop.refresh()
        is_video = media_id in state.videos
        refused = {p.phrase: p.reason for p in state.pairs.values() if is_refused(p)} | never
        choose = video_stages if is_video else default_stages
        usual = choose(tree, restricted=refused, standings=standings(state), policy=policy)
        frames = loop.session.annotation_frames(media_id)[::caption_every] if is_video else (0,)
        said = _read_captions(loop, captioner, media_id, frames, chunker, (*usual, *stages))
        bodies, kept = _joined(said, tree, min_frames if is_video else 1)
        source = bodies[0].captioner if bodies else ""
        n_pairs += _add(loop, bodies, media_id, kept, PairOrigin.MINED, "", source, held_out_share)
        n_dropped += sum(len(body.dropped) for body in bodies)
        done += 1
        if on_progress is not None:
            on_progress(done, len(todo))
    return Mined("done" if done == len(todo) else "cancelled", done, n_pairs, n_dropped)


def _read_captions(
    loop: ConceptSession,
    captioner: Captioner | GivenCaptions | FrameCaptions,
    media_id: str,
    frames: Sequence[int],
    chunker: Chunker,
    stages: Sequence[Stage],
) -> list[PhrasesMined]:
    """What the caption of each frame came to; equal captions are read once."""
    media = loop.session.media(media_id)
    known: dict[str, tuple[PhraseRecord, ...]] = {}
    found = []
    for frame_idx in frames:
        if isinstance(captioner, GivenCaptions | FrameCaptions):  # needs no picture
            name, caption = captioner.source, captioner.at(media, frame_idx)
        else:
            name, caption = captioner.name, captioner.caption(loop.image(media_id, frame_idx))
        if caption not in known:
            known[caption] = mine_phrases(caption, chunker, stages, origin=name)
        records = known[caption]
        kept = kept_phrases(records)
        dropped = tuple((r.raw, r.reason or r.dropped_by) for r in records if not r.is_kept)
        found.append(PhrasesMined(media_id, name, caption, kept, dropped, frame_idx))
    return found


def _joined(
    said: Sequence[PhrasesMined], ontology: Ontology, min_frames: int
) -> tuple[list[PhrasesMined], tuple[str, ...]]:
    """One line per new caption, and the phrases of all frames, each once."""
    by_frame = {body.frame_idx: body.kept for body in said}
    every = collect_phrases(by_frame, ontology=ontology)
    kept = tuple(p.text for p in every if len(p.frame_idxs) >= min_frames)
    rare = {p.text for p in every} - set(kept)
    reason = f"named on fewer than {min_frames} frames"
    bodies: list[PhrasesMined] = []
    for body in said:
        if not bodies or bodies[-1].caption != body.caption:
            lost = tuple((phrase, reason) for phrase in body.kept if phrase in rare)
            left = tuple(phrase for phrase in body.kept if phrase not in rare)
            bodies.append(replace(body, kept=left, dropped=(*body.dropped, *lost)))
    return bodies, kept


def is_refused(pair: PairState) -> bool:
    """Whether people or models found that a phrase cannot be masked anywhere; a filter that
    found it easy or trivial in one clip says nothing of others."""
    return pair.step is ConceptStep.REJECTED and not pair.dropped_by


def _add(
    loop: ConceptSession,
    first: Sequence[Body],
    media_id: str,
    phrases: Sequence[str],
    origin: PairOrigin,
    parent: str,
    source: str,
    share: float,
) -> int:
    ids = {phrase: loop.session.new_id() for phrase in phrases}
    held_out = is_held_out(media_id, share)
    events = loop.commit(
        lambda state: [
            *first,
            *pair_bodies(state, media_id, ids, origin, parent, source, held_out),
        ]
    )
    return len(events) - len(first)


def default_proposers(seen: Iterable[str], ontology: Ontology) -> tuple[PhraseProposer, ...]:
    """Swaps of attribute and noun, and siblings, cousins and uncles of the concept.

    Args:
        seen: phrases of the project, whose nouns take each other's place.
        ontology: the tree.
    """
    return (AttributeSwap(), NounSwap(seen, ontology), OntologyProposer(ontology))


def mine_negatives(
    loop: ConceptSession,
    segmenter: ConceptSegmenter,
    *,
    proposers: Iterable[PhraseProposer] | None = None,
    media_ids: Collection[str] | None = None,
    ontology: Ontology | None = None,
    per_picture: int = 10,
    per_positive: int = 6,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> Mined:
    """Add hard negatives: phrases near a verified positive that fool the current model.

    A candidate is kept only if the model fires on it and its masks overlap the positive's,
    on a video on the frame with most masks; it then goes the way of every pair, and EV
    confirms that it is absent.

    Args:
        loop: the project.
        segmenter: the current model.
        proposers: name what a picture might be mistaken to show; None takes
            :func:`default_proposers`.
        media_ids: which pictures; None for all with a verified positive.
        ontology: recognises synonyms; None takes the one that ships.
        per_picture: hard negatives added to a picture at most, those that overlap most.
        per_positive: candidates tried for each positive.
        on_progress: called with (pictures done, pictures in all).
        cancel: set it from another thread to stop after the present picture.
    """
    tree = ontology or default_ontology()
    state = loop.refresh()
    seen = [p.phrase for p in state.pairs.values() if is_positive(p)]
    asking = tuple(proposers) if proposers is not None else default_proposers(seen, tree)
    have = {p.item.media_id for p in state.pairs.values() if is_positive(p)}
    todo = [m for m in (media_ids if media_ids is not None else have) if m in have]
    todo.sort()
    n_pairs = n_dropped = done = 0
    for media_id in todo:
        if cancel is not None and cancel.is_set():
            break
        found = _negatives_of(loop, media_id, segmenter, asking, tree, per_positive)
        added, dropped = _keep(loop, media_id, segmenter.name, found, per_picture)
        n_pairs, n_dropped, done = n_pairs + added, n_dropped + dropped, done + 1
        if on_progress is not None:
            on_progress(done, len(todo))
    return Mined("done" if done == len(todo) else "cancelled", done, n_pairs, n_dropped)


def is_positive(pair: PairState) -> bool:
    """Whether a pair is final and names something."""
    return pair.step is ConceptStep.FINAL and bool(pair.masks)


def _negatives_of(
    loop: ConceptSession,
    media_id: str,
    segmenter: ConceptSegmenter,
    proposers: Sequence[PhraseProposer],
    ontology: Ontology,
    per_positive: int,
) -> tuple[NegativeCandidate, ...]:
    pairs = loop.refresh().pairs_of(media_id)
    positives = {p.phrase: p for p in pairs if is_positive(p)}
    counts = masks_by_frame(positives.values())
    frame_idx = max(sorted(counts), key=lambda idx: counts[idx])
    image = loop.image(media_id, frame_idx)
    candidates = propose_negatives(
        list(positives),
        proposers,
        ontology=ontology,
        known=[p.phrase for p in pairs],
        image=image,
        per_positive=per_positive,
    )
    masks = {
        phrase: [loop.mask(f.mask_id) for m in pair.masks for f in m.frames
                 if f.frame_idx == frame_idx]
        for phrase, pair in positives.items()
    }  # fmt: skip
    known = [c for c in candidates if masks.get(c.positive)]
    return check_adversarial(image, known, masks, segmenter)


def _keep(
    loop: ConceptSession,
    media_id: str,
    model: str,
    found: Sequence[NegativeCandidate],
    per_picture: int,
) -> tuple[int, int]:
    kept = sorted((c for c in found if c.is_kept), key=lambda c: -(c.overlap or 0.0))
    chosen = {c.phrase for c in kept[:per_picture]}
    n_pairs = 0
    for parent in dict.fromkeys(c.positive for c in found):
        of_parent = [c for c in found if c.positive == parent]
        good = [c for c in of_parent if c.is_kept and c.phrase in chosen]
        body = NegativesChecked(
            media_id,
            parent,
            ", ".join(dict.fromkeys(c.proposer for c in of_parent)),
            model,
            tuple((c.phrase, float(c.overlap or 0.0)) for c in good),
            tuple((c.phrase, c.reason or "enough for this picture") for c in of_parent
                  if c not in good),
        )  # fmt: skip
        held_out = [p.is_held_out for p in loop.state.pairs_of(media_id)]
        n_pairs += _add(
            loop,
            [body],
            media_id,
            [c.phrase for c in good],
            PairOrigin.HARD_NEGATIVE,
            parent,
            ", ".join(dict.fromkeys(c.proposer for c in good)),
            1.0 if any(held_out) else 0.0,
        )
    return n_pairs, len(found) - n_pairs


def hardest(state: ConceptState) -> list[tuple[str, float]]:
    """Phrases by how wrong the newest proposals on them were, the worst first: what is
    worth mining next."""
    found = [(phrase, 1.0 - (one.score or 0.0)) for phrase, one in standings(state).items()]
    return sorted(found, key=lambda row: (-row[1], row[0]))
