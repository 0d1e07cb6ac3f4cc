import numpy as np
import pytest
import torch

from samnb.models.mobile import build_architecture
from samnb.models.training import matching, warmstart
from samnb.models.training.tracking import EncodedClip

SIDE = 128
CELLS = SIDE // 16
SHORT = matching.MatchingSettings(steps=60, batch=6)


def moving(seed):
    """A clip whose features say who is where: one patch of features wanders over others."""
    rng = np.random.default_rng(seed)
    looks = 0.1 * torch.from_numpy(rng.normal(size=(256, 3, 3))).float()
    place = 0.1 * torch.from_numpy(rng.normal(size=(256, CELLS, CELLS))).float()
    top, masks = place.repeat(4, 1, 1, 1), torch.zeros(4, 1, SIDE, SIDE, dtype=torch.bool)
    for t in range(4):
        y, x = rng.integers(0, CELLS - 3, 2)
        top[t, :, y : y + 3, x : x + 3] = looks
        masks[t, 0, 16 * y : 16 * y + 48, 16 * x : 16 * x + 48] = True
    fine = [torch.zeros(4, c, s, s).half() for c, s in ((32, SIDE // 4), (64, SIDE // 8))]
    return EncodedClip((*fine, top.half()), masks)


@pytest.fixture(scope="module")
def clips():
    return [moving(seed) for seed in range(16)]


@pytest.fixture
def model():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield build_architecture(SIDE).eval()
    torch.set_num_threads(threads)


def test_matching_follows_what_copying_loses(model, clips):
    scores = matching.teach_matching(model, clips, SHORT)
    assert scores["copied"] < 0.4
    assert scores["after"] > scores["copied"] + 0.3


def test_the_memory_ends_with_the_coverage_of_the_mask(model, clips):
    matching.teach_matching(model, clips, SHORT)
    clip = clips[0]
    with torch.no_grad():
        found = model.memory_encoder(
            clip.maps[-1].float(), clip.masks.float() * 20 - 10, skip_mask_sigmoid=True
        )["vision_features"][:, -1]
    truth = torch.nn.functional.adaptive_avg_pool2d(clip.masks.float(), CELLS)[:, 0]
    assert torch.corrcoef(torch.stack([found.flatten(), truth.flatten()]))[0, 1] > 0.95


def test_equal_seeds_teach_equally(model, clips):
    start = {k: v.clone() for k, v in model.state_dict().items()}
    results = []
    for _ in range(2):
        model.load_state_dict(start)
        torch.manual_seed(3)
        results.append(matching.teach_matching(model, clips, SHORT))
    assert results[0] == results[1]


def test_too_few_clips_are_refused(model, clips):
    with pytest.raises(ValueError, match="at least 4, got 3"):
        matching.teach_matching(model, clips[:3])


def test_a_warm_start_leaves_decoder_and_eyes_alone(model, clips):
    mine = ("memory_attention.", "memory_encoder.out_proj.")
    before = {k: v.clone() for k, v in model.state_dict().items() if not k.startswith(mine)}
    report = warmstart.start_from_mask_prompts(model, clips, SHORT)
    assert report["norm_error"] < 0.1
    after = model.state_dict()
    assert all(torch.equal(v, after[k]) for k, v in before.items())
