"""Made-up clips with exact masks, phrases and captions, from a seed.

The scenes look a little like photographs and are none: things are drawn, lit and moved by
:mod:`samnb.synthetic.make` before places that :mod:`samnb.synthetic.themes` puts together
from a few public-domain photographs and from noise. They serve as ground truth for simulated
annotators, as teaching material for small models, and as the demo. Figures measured on
them say how methods compare there, and not how well a model does on real video.
"""

from samnb.synthetic.clip import Clip, ClipObject
from samnb.synthetic.demo import demo_clip
from samnb.synthetic.make import make_clip
from samnb.synthetic.write import write_davis, write_video

__all__ = ["Clip", "ClipObject", "demo_clip", "make_clip", "write_davis", "write_video"]
