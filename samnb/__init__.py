"""samnb: the two SAM data engines, run, seen and measured in a notebook."""
