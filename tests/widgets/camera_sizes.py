"""A small and a large medium in the same window."""

from samnb.widgets.camera import Camera

SMALL = Camera.fitted((800, 400), (100, 100))
LARGE = Camera.fitted((800, 400), (4000, 8000))
