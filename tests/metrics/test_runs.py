import numpy as np
import pytest

from samnb.masks.rle import encode, to_runs
from samnb.metrics import runs
from samnb.metrics.runs import check_all, find_unsound
from samnb.types import FormatError, Rle

SOUND = [
    encode(np.random.default_rng(seed).random((h, w)) < share)
    for seed, (h, w, share) in enumerate([(7, 9, 0.5), (1, 1, 1.1), (40, 30, 0.1), (5, 6, 0.0)])
]


def is_sound(rle):
    try:
        to_runs(rle)
    except FormatError:
        return False
    return True


def test_sound_masks_have_no_fault():
    assert find_unsound(SOUND) is None
    assert find_unsound([]) is None
    check_all(SOUND)


@pytest.mark.parametrize(
    ("size_hw", "counts"),
    [
        ((2, 2), ""),
        ((2, 2), "5"),
        ((2, 2), "3"),
        ((2, 2), "4P"),
        ((2, 2), "04\x7f"),
        ((2, 2), "4\u00e9"),
        ((2, 2), "4/"),
        ((0, 4), "0"),
        ((-2, -2), "4"),
        ((2, 2), "O5"),
        ((2, 2), "2O3"),
        ((3, 2), "031MO"),
        ((2, 2), "PPPPPPPPPP4"),
        ((2**16, 2**16), "0"),
    ],
)
def test_a_faulty_mask_is_found_with_the_words_of_the_single_check(size_hw, counts):
    bad = Rle(size_hw, counts)
    at, error = find_unsound([*SOUND, bad, *SOUND])
    assert at == len(SOUND)
    with pytest.raises(FormatError) as single:
        to_runs(bad)
    assert str(error) == str(single.value)
    with pytest.raises(FormatError, match=r"^masks\[4\]: "):
        check_all([*SOUND, bad])


def test_the_verdict_is_that_of_the_single_check_on_random_strings():
    rng = np.random.default_rng(3)
    verdicts = []
    for _ in range(400):
        counts = "".join(map(chr, rng.integers(47, 56, rng.integers(1, 5))))
        rle = Rle((int(rng.integers(1, 4)), int(rng.integers(1, 4))), counts)
        verdicts.append(is_sound(rle))
        assert (find_unsound([SOUND[0], rle, SOUND[2]]) is None) == verdicts[-1], rle
    assert 10 < sum(verdicts) < 390


def test_a_fault_is_found_in_a_later_block(monkeypatch):
    monkeypatch.setattr(runs, "_BLOCK_CHARS", 40)
    masks = [*SOUND * 10, Rle((2, 2), "5"), *SOUND]
    assert find_unsound(masks)[0] == 40
    assert find_unsound(SOUND * 10) is None
