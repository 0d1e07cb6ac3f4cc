from __future__ import annotations

import threading

import numpy as np
import pytest

from samnb.store.cache import ByteLru, FrameCache, shared_cache
from samnb.types import InputError


def test_least_recently_used_goes_first() -> None:
    lru: ByteLru[str, str] = ByteLru(30)
    for key in "abc":
        lru.put(key, key.upper(), 10)
    lru.get("a")
    lru.put("d", "D", 10)
    assert [lru.get(key) for key in "abcd"] == ["A", None, "C", "D"]


def test_weight_never_exceeds_the_budget() -> None:
    lru: ByteLru[int, int] = ByteLru(100)
    weights = np.random.default_rng(0).integers(1, 60, 200)
    for key, weight in enumerate(weights):
        lru.put(key % 17, key, int(weight))
        assert lru.used_bytes <= 100


def test_replacing_a_value_counts_it_once() -> None:
    lru: ByteLru[str, int] = ByteLru(100)
    lru.put("a", 1, 60)
    lru.put("a", 2, 50)
    assert (lru.used_bytes, len(lru), lru.get("a")) == (50, 1, 2)


def test_value_over_the_budget_is_not_kept() -> None:
    lru: ByteLru[str, int] = ByteLru(10)
    lru.put("a", 1, 11)
    assert (lru.get("a"), lru.used_bytes) == (None, 0)


def test_negative_budget_is_refused() -> None:
    with pytest.raises(InputError, match="budget_bytes"):
        ByteLru(-1)


def test_frames_of_two_media_share_one_budget() -> None:
    cache = FrameCache(frame_bytes=3 * 300)
    for i in range(4):
        cache.put_frame("m" if i % 2 else "n", i, np.zeros((10, 10, 3), np.uint8))
    assert cache.frame("n", 0) is None
    assert cache.frame("m", 3) is not None
    assert cache.used_bytes == 900


def test_cached_frames_cannot_be_written() -> None:
    cache = FrameCache()
    cache.put_frame("m", 0, np.zeros((2, 2, 3), np.uint8))
    frame = cache.frame("m", 0)
    assert frame is not None
    with pytest.raises(ValueError, match="read-only"):
        frame[0] = 1


def test_many_threads_keep_the_count_right() -> None:
    lru: ByteLru[int, int] = ByteLru(1000)

    def work(seed: int) -> None:
        for key in np.random.default_rng(seed).integers(0, 50, 2000):
            lru.put(int(key), seed, 30)
            lru.get(int(key) + 1)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lru.used_bytes == 30 * len(lru) <= 1000


def test_shared_cache_is_one() -> None:
    assert shared_cache() is shared_cache()
