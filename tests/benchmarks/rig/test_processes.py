from __future__ import annotations

import os
import subprocess
import sys
from time import process_time

import pytest

from benchmarks.rig.processes import cpu_seconds, memory_mb, process_tree

CHILD = """
import subprocess, sys
grandchild = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
print(grandchild.pid, flush=True)
input()
grandchild.communicate(b"end")
"""


@pytest.fixture
def family():
    """A process with a child: its own id, and the child's."""
    command = (sys.executable, "-c", CHILD)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        yield child.pid, int(child.stdout.readline())
        child.stdin.write("end\n")


def test_a_tree_is_a_process_with_all_that_it_has_started(family):
    assert process_tree(family[0]) == list(family)
    assert {os.getpid(), *family} <= set(process_tree(os.getpid()))


def test_processor_time_is_what_a_process_has_had():
    before, began = cpu_seconds([os.getpid()]), process_time()
    while process_time() - began < 0.1:
        pass
    spent = cpu_seconds([os.getpid()]) - before

    assert 0.05 < spent <= process_time() - began + 0.05


def test_times_of_processes_are_added_up(family):
    assert cpu_seconds([*family, family[1]]) == pytest.approx(cpu_seconds([family[0]]) + 2 * cpu_seconds([family[1]]))


def test_a_process_that_has_ended_counts_as_nothing():
    with subprocess.Popen((sys.executable, "-c", "")) as ended:
        pass

    assert process_tree(ended.pid) == [ended.pid]
    assert cpu_seconds([ended.pid]) == 0


def test_memory_is_that_of_now_or_the_most_so_far(family):
    child, _ = family

    assert 0 < memory_mb(child) <= memory_mb(child, peak=True)
    assert memory_mb(os.getpid()) > memory_mb(child)


def test_a_process_that_has_ended_has_no_memory():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        assert memory_mb(process.pid) == 0.0
