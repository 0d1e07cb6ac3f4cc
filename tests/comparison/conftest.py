import pytest

from samnb.comparison.engines import Terms, run_concepts
from tests.comparison.flat import FlatSegmenter, flat_world, with_leave


@pytest.fixture(scope="session")
def flat(tmp_path_factory):
    return flat_world(tmp_path_factory.mktemp("flat"))


@pytest.fixture(scope="session")
def helped(flat, tmp_path_factory):
    """A finished project in which a verifier had leave to decide from the start."""
    path = tmp_path_factory.mktemp("helped") / "concepts.samnb"
    terms = Terms(minutes=1e6, seed=2)
    run_concepts(path, flat, FlatSegmenter(flat), terms, prepared=with_leave(flat))
    return path


@pytest.fixture(scope="session")
def alone(flat, tmp_path_factory):
    """A finished project in which people answered everything."""
    path = tmp_path_factory.mktemp("alone") / "concepts.samnb"
    run_concepts(path, flat, FlatSegmenter(flat), Terms(minutes=1e6, cycle=99))
    return path
