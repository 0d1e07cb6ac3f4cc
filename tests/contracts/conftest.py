"""Every tracker that the contract is run against."""

from __future__ import annotations

import pytest

from samnb.models.base import Tracker
from samnb.models.registry import load_model
from tests.models.tiny import write_sam2, write_transformers


def _mobile(folder) -> Tracker:
    from samnb.models import mobile

    try:
        mobile.default_weights()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    # Small, because the contract says nothing about how good the masks are.
    return load_model("mobile@64", device="cpu")


_TRACKERS = {
    "sam2": lambda folder: load_model(str(write_sam2(folder)), device="cpu"),
    "transformers": lambda folder: load_model(str(write_transformers(folder)), device="cpu"),
    "mobile": _mobile,
    "colour": lambda _folder: load_model("colour"),
}


@pytest.fixture(scope="session", params=_TRACKERS)
def tracker(request, tmp_path_factory) -> Tracker:
    return _TRACKERS[request.param](tmp_path_factory.mktemp(request.param))
