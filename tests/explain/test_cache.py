from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from dan_model.explain.cache import Cache


@dataclass(frozen=True)
class Block:
    nbytes: int


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60)), max_size=60))
def test_the_cache_never_exceeds_its_limit_and_counts_its_bytes(steps):
    cache: Cache[Block] = Cache(100)
    for key, size in steps:
        cache.put(key, Block(size))
        held = [cache.get(k) for k in range(10)]
        assert cache.nbytes == sum(block.nbytes for block in held if block) <= 100


def test_the_least_recently_used_entry_is_removed_first():
    cache: Cache[Block] = Cache(100)
    for key in "abc":
        cache.put(key, Block(30))
    cache.get("a")
    cache.put("d", Block(30))
    assert [cache.get(key) is not None for key in "abcd"] == [True, False, True, True]


def test_an_entry_larger_than_the_limit_is_not_stored():
    cache: Cache[Block] = Cache(10)
    cache.put("a", Block(11))
    assert cache.get("a") is None
    assert cache.nbytes == 0
    assert len(cache) == 0
