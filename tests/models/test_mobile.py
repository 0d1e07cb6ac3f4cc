import numpy as np
import pytest
import torch
from PIL import Image

from samnb.models import mobile


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory):
    torch.manual_seed(0)
    model = mobile.build_architecture(64)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    mobile.save_weights(model.state_dict(), path, info={"steps": 3})
    return path


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def frames_of_a_disk(folder, count, side=160):
    """A bright disk that moves right on a dark textured ground; returns its true masks."""
    rng = np.random.default_rng(0)
    ground = rng.integers(20, 60, (side, side, 3)).astype(np.uint8)
    y, x = np.mgrid[:side, :side]
    masks = []
    for t in range(count):
        mask = (x - (45 + 8 * t)) ** 2 + (y - 80) ** 2 < 26**2
        frame = ground.copy()
        frame[mask] = (230, 120, 30)
        Image.fromarray(frame).save(folder / f"{t:05d}.jpg", quality=95)
        masks.append(mask)
    return masks


def iou(a, b):
    return (a & b).sum() / max((a | b).sum(), 1)


@pytest.mark.parametrize(("precision", "tolerance"), [("float16", 1e-3), ("int8", 1 / 127)])
def test_weights_survive_the_file(tmp_path, precision, tolerance):
    torch.manual_seed(1)
    state = {
        "large": torch.randn(64, 32, 3, 3) * torch.logspace(-3, 1, 64)[:, None, None, None],
        "zero": torch.zeros(128, 64),
        "small": torch.randn(16),
        "count": torch.tensor(7),
    }
    path = tmp_path / "w.safetensors"
    mobile.save_weights(state, path, precision=precision, info={"seed": 4})
    loaded = mobile.load_weights(path)
    assert loaded.keys() == state.keys()
    assert loaded["large"].dtype == torch.float32
    assert loaded["count"] == 7
    # The bound holds per output channel: small channels are not drowned by large ones.
    worst = (loaded["large"] - state["large"]).flatten(1).abs().amax(1)
    assert (worst <= state["large"].flatten(1).abs().amax(1) * tolerance).all()
    assert not loaded["zero"].any()
    assert mobile.read_info(path) == {"seed": 4}


def test_int8_halves_the_file(tmp_path):
    state = {"w": torch.randn(256, 256)}
    sizes = {}
    for precision in ("float16", "int8"):
        mobile.save_weights(state, tmp_path / precision, precision=precision)
        sizes[precision] = (tmp_path / precision).stat().st_size
    assert sizes["int8"] < 0.55 * sizes["float16"]


def test_unknown_precision_is_refused(tmp_path):
    with pytest.raises(ValueError, match="int4"):
        mobile.save_weights({}, tmp_path / "x", precision="int4")


@pytest.mark.parametrize("size", [0, 48, 250])
def test_impossible_sizes_are_refused(size):
    with pytest.raises(ValueError, match=str(size)):
        mobile.build_architecture(size)


def test_unknown_predictor_is_refused():
    with pytest.raises(ValueError, match="image"):
        mobile.build_architecture(64, predictor="image")


def test_environment_names_another_file(monkeypatch, tmp_path, random_weights):
    monkeypatch.setenv(mobile.WEIGHTS_ENV, str(random_weights))
    assert mobile.default_weights() == random_weights
    monkeypatch.setenv(mobile.WEIGHTS_ENV, str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match=mobile.WEIGHTS_ENV):
        mobile.default_weights()


def test_one_file_serves_two_sizes(random_weights):
    small = mobile.build_mobile(64, weights=random_weights, predictor="base")
    large = mobile.build_mobile(96, weights=random_weights, predictor="base")
    with torch.no_grad():
        for model, side in ((small, 64), (large, 96)):
            maps = model.forward_image(torch.zeros(1, 3, side, side))["backbone_fpn"]
            sizes = [tuple(m.shape[-2:]) for m in maps]
            assert sizes == mobile.backbone_feature_sizes(side)


@pytest.mark.parametrize(("tracked", "clicked"), [(64, 96), (96, 160), (256, 384), (448, 576)])
def test_clicks_are_answered_from_a_larger_picture(tracked, clicked):
    assert mobile.click_size(tracked) == clicked


def test_eyes_are_written_without_a_memory(tmp_path, random_weights):
    state, path = mobile.load_weights(random_weights), tmp_path / "eyes.safetensors"
    mobile.save_eyes(state, path, {"steps": 2})
    eyes = mobile.build_eyes(64, path).state_dict()
    name = "sam_mask_decoder.iou_token.weight"
    assert torch.equal(eyes[name], state[name].half().float())
    assert not any(n.startswith("memory_") for n in (*mobile.load_weights(path), *eyes))
    assert mobile.read_info(path) == {"steps": 2}


def test_weights_that_are_no_eyes_are_refused(tmp_path, random_weights):
    with pytest.raises(ValueError, match="eyes: unexpected"):
        mobile.build_eyes(64, random_weights)
    mobile.save_eyes({"sam_prompt_encoder.x": torch.ones(1)}, tmp_path / "half.safetensors")
    with pytest.raises(ValueError, match="eyes: "):
        mobile.build_eyes(64, tmp_path / "half.safetensors")


def test_shipped_weights_fit_and_say_where_they_come_from():
    path = mobile.default_weights()
    beside = path.with_name("eyes.safetensors")
    assert path.stat().st_size + beside.stat().st_size <= 26_000_000
    assert mobile.read_info(path)["memory_steps"] > 0
    state = mobile.load_weights(path)
    assert all(torch.isfinite(v).all() for v in state.values())
    mobile.build_architecture(64).load_state_dict(state, strict=True)


def test_shipped_model_follows_a_disk_from_one_click(tmp_path):
    masks = frames_of_a_disk(tmp_path, 5)
    model = mobile.build_mobile(mobile.FAST_SIZE)
    state = model.init_state(str(tmp_path))
    _, _, first = model.add_new_points_or_box(
        state, 0, 1, points=np.array([[45, 80]], np.float32), labels=np.array([1], np.int32)
    )
    assert iou((first[0, 0] > 0).numpy(), masks[0]) > 0.8
    scores = [
        iou((logits[0, 0] > 0).numpy(), masks[t])
        for t, _, logits in model.propagate_in_video(state)
    ]
    assert len(scores) == 5
    assert min(scores) > 0.7


def test_a_correction_survives_the_next_propagation(tmp_path):
    masks = frames_of_a_disk(tmp_path, 4)
    model = mobile.build_mobile(mobile.FAST_SIZE)
    state = model.init_state(str(tmp_path))
    model.add_new_mask(state, 0, 1, masks[0])
    list(model.propagate_in_video(state))
    half = masks[2].copy()
    half[80:] = False
    model.add_new_mask(state, 2, 1, half)
    again = {t: (m[0, 0] > 0).numpy() for t, _, m in model.propagate_in_video(state)}
    assert iou(again[2], half) > 0.9
