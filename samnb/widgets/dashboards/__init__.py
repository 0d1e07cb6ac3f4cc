"""Four pages for a project: annotate, review, statistics, engine; see ``opening``."""
