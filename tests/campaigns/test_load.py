"""Many at once, short; `make soak` has the long version."""

from __future__ import annotations

from campaigns.load import Calls, clients, explain, first_results, predict, visitors_at_once
from dan_model.ui.theme import QUEUE_SIZE, THREADS


def test_no_visitors_first_results_wait_for_the_attributions_of_others(server):
    first_results(server, 0, ("saliency",))
    found = visitors_at_once(server, 3, ("integrated_gradients",))
    assert max(first for first, _ in found) < min(last for _, last in found)


def test_as_many_events_of_the_page_run_as_may_wait(blocks):
    """Otherwise one visitor with many slow tabs holds all places; whose pass comes next: test_pass_order.py."""
    limits = {function.concurrency_id: function.concurrency_limit for function in blocks.fns.values() if function.queue}
    assert limits["page"] >= QUEUE_SIZE
    assert sum(limit for limit in limits.values() if isinstance(limit, int)) < THREADS


def test_calls_at_once_all_have_answers(server):
    calls = Calls()
    for endpoint in (predict, explain):
        clients(server, 4, 0.01, endpoint, calls)
    assert calls.failures == []
    assert calls.outcomes["answered"] >= 8
    assert len(calls.by_client) == 4
