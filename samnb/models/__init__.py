"""Models behind one contract; importing this package loads no framework."""

from samnb.models.concept_registry import load_concept_segmenter as load_concept_segmenter
