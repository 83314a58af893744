"""Freed memory goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

RUN = """
import threading
from campaigns.measuring import resident, threads
from dan_model.ui.process_memory import bound_memory, give_back

bound_memory(3600)
kept = []

def allocate():
    blocks = [bytearray(b"x" * 60_000) for _ in range(500)]  # small enough for the arenas
    kept.append(blocks[-1])  # at their end: they cannot shrink by themselves

for _ in range(8):
    one = threading.Thread(target=allocate)
    one.start()
    one.join()
before = resident()
give_back()
print(before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_what_threads_freed_goes_back_to_the_system():
    run = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=True)
    assert int(run.stdout) > 15_000_000  # of 30 MB that each thread needed at most
