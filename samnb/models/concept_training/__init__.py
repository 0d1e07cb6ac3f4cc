"""Training of the default concept segmenter on the synthetic concept world."""
