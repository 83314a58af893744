"""Many clients at once: what is refused, who waits for whom, how long answers take, and what the process holds.

`python -m campaigns.load --seconds 120` prints four parts: eight visitors at once; one with many tabs beside another;
`/predict` alone and beside slow calls; 32 clients.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from campaigns.served import CERTIFICATES, ROOT, ServedPage
from campaigns.visitors import Full, Refused, Visitor, call

FACE = ROOT / "examples" / "astronaut.jpg"
ALL_METHODS = (
    "layer_grad_cam", "head_grad_cam", "saliency", "input_x_gradient", "guided_grad_cam", "deep_lift",
    "integrated_gradients", "smooth_grad", "gradient_shap", "occlusion", "region_ablation", "region_shapley",
)  # fmt: skip
VISITORS, TABS, CLIENTS = 8, 20, 32
BESIDE = 3.0  # how many times longer /predict may take beside slow calls
GROWTH = 1.1  # of memory, from a quarter of the time to its end


@dataclass
class Calls:
    """What clients met with, and how long they waited in seconds."""

    seconds: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    by_client: Counter[int] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def timed(self, client: int, run: Callable[[], object]) -> None:
        """One call."""
        start = time.perf_counter()
        try:
            run()
            outcome = "answered"
        except Full:
            outcome = "queue full"
            time.sleep(1)
        except (Refused, httpx2.HTTPError) as error:
            outcome = f"{type(error).__name__}: {error}"[:200]
        with self._lock:
            self.outcomes[outcome] += 1
            if outcome == "answered":
                self.seconds.append(time.perf_counter() - start)
                self.by_client[client] += 1

    @property
    def failures(self) -> list[str]:
        """What is neither an answer nor an honest refusal."""
        return [outcome for outcome in self.outcomes if outcome not in ("answered", "queue full")]

    @property
    def p95(self) -> float:
        """The 95th percentile of the seconds."""
        return sorted(self.seconds)[int(0.95 * (len(self.seconds) - 1))] if self.seconds else float("nan")

    def __str__(self) -> str:
        """In one line."""
        p50 = statistics.median(self.seconds) if self.seconds else float("nan")
        fewest, most = min(self.by_client.values(), default=0), max(self.by_client.values(), default=0)
        return f"{dict(self.outcomes)}, p50 {p50:.1f} s, p95 {self.p95:.1f} s, {fewest} to {most} for each client"


def first_results(address: str, number: int, methods: tuple[str, ...] = ()) -> tuple[float, float]:
    """Seconds until a new visitor's first results, and until all; without methods, those that the page has chosen."""
    with Visitor(address) as visitor:
        start = time.perf_counter()
        chosen = visitor.chosen(methods) if methods else {}
        visitor.begin("on_photo", {"dan-upload": visitor.upload(FACE), **chosen})
        replies = visitor.replies()
        next(reply for reply in replies if "dan-tile" in str(reply))  # after the status and the faces
        first = time.perf_counter() - start
        for _ in replies:
            pass
        return first, time.perf_counter() - start


def visitors_at_once(address: str, count: int = VISITORS, methods: tuple[str, ...] = ()) -> list[tuple[float, float]]:
    """Visitors who come at the same moment: seconds until their first results, and until all."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda number: first_results(address, number, methods), range(count)))


@contextmanager
def many_tabs(address: str, count: int = TABS, methods: tuple[str, ...] = ALL_METHODS) -> Iterator[None]:
    """One visitor with many tabs, in each of which all methods are computed; they are closed at the end."""
    opened: list[Visitor] = []
    try:
        for _ in range(count):
            visitor = Visitor(address)
            visitor.__enter__()
            opened.append(visitor)
            visitor.begin("on_photo", {"dan-upload": visitor.upload(FACE), **visitor.chosen(methods)})
        yield
    finally:
        for visitor in opened:
            visitor.send("on_stop")
            visitor.__exit__(None, None, None)


def clients(
    address: str, count: int, seconds: float, endpoint: Callable[[int], tuple[str, tuple[object, ...]]], calls: Calls
) -> None:
    """Clients that call an endpoint again and again for so many seconds, once at least."""
    end = time.monotonic() + seconds

    def client(number: int) -> None:
        with httpx2.Client(timeout=600, verify=CERTIFICATES) as http:
            name, arguments = endpoint(number)
            while True:
                calls.timed(number, lambda: call(address, name, FACE, *arguments, client=http))
                if time.monotonic() > end:
                    return

    with ThreadPoolExecutor(count) as pool:
        for running in [pool.submit(client, number) for number in range(count)]:
            running.result()


def predict(number: int) -> tuple[str, tuple[object, ...]]:
    """A quick call."""
    return "predict", ()


def explain(number: int) -> tuple[str, tuple[object, ...]]:
    """A call without attributions."""
    return "explain", ("", [], "", None, "", "")


def explain_all(number: int) -> tuple[str, tuple[object, ...]]:
    """A slow call: all methods."""
    return "explain", ("", list(ALL_METHODS), "", None, "", "")


def main() -> None:
    """Run all parts; the exit status is 1 where anything failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=120, help="of 32 clients; a quarter of it for /predict alone")
    seconds = parser.parse_args().seconds
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder, ServedPage(Path(folder)) as page:
        first_results(page.address, 0)  # what is loaded once
        # Eight visitors at once.
        alone = first_results(page.address, 0)
        at_once = visitors_at_once(page.address)
        print(f"one visitor: first results after {alone[0]:.1f} s, all after {alone[1]:.1f} s")
        ordered = ", ".join(f"{first:.1f}" for first, _ in sorted(at_once))
        print(
            f"{VISITORS} at once: first results after {ordered} s; all after {max(last for _, last in at_once):.1f} s"
        )
        if max(first for first, _ in at_once) > min(last for _, last in at_once):
            failures.append("a visitor waited for the attributions of others")
        # One with many tabs.
        with many_tabs(page.address):
            first, last = first_results(page.address, 0, ("layer_grad_cam",))
        print(
            f"beside {TABS} tabs of all methods: first after {first:.1f} s, a Grad-CAM after {last:.1f} s", flush=True
        )
        # /predict alone and beside slow calls.
        quick, slowed = Calls(), Calls()
        clients(page.address, 2, seconds / 4, predict, quick)
        with ThreadPoolExecutor(1) as pool:
            slow = Calls()
            running = pool.submit(clients, page.address, 1, seconds / 4, explain_all, slow)
            clients(page.address, 2, seconds / 4, predict, slowed)
            running.result()
        print(f"/predict alone: {quick}\n/predict beside all methods: {slowed}\nall methods: {slow}", flush=True)
        if slowed.p95 > BESIDE * quick.p95:
            failures.append(f"/predict waited {slowed.p95 / quick.p95:.1f} times as long beside a slow call")
        # 32 clients.
        many = (Calls(), Calls())
        memory: list[int] = []
        with ThreadPoolExecutor(2) as pool:
            both = [
                pool.submit(clients, page.address, CLIENTS // 2, seconds, endpoint, calls)
                for endpoint, calls in zip((predict, explain), many, strict=True)
            ]
            for _ in range(4):
                time.sleep(seconds / 4)
                memory.append(page.counts()["memory"])
            for one in both:
                one.result()
        counts = page.counts()
        print(f"{CLIENTS} clients, {seconds:.0f} s: /predict {many[0]}\n/explain {many[1]}")
        print(f"memory in MB: {[round(one / 1e6) for one in memory]}, then {counts['memory'] / 1e6:.0f}; {counts}")
        failures += [failure for calls in (quick, slowed, slow, *many) for failure in calls.failures]
        if memory[-1] > GROWTH * memory[0]:
            failures.append(f"memory grew by {memory[-1] / memory[0]:.2f}")
    print("\n".join([f"{len(failures)} failures", *failures]))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
