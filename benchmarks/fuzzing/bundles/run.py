"""The bundles' fuzzer as a part of the command: processes that try bundles, and a sample through the verifier's own processes."""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from rich.console import Console

from benchmarks.fuzzing.bundles.mutations import MANIFEST, mutate, seal
from benchmarks.fuzzing.bundles.originals import Original, write_originals
from benchmarks.fuzzing.bundles.worker import FINE
from benchmarks.fuzzing.findings import Findings
from benchmarks.rig.server_parts import verify_aside

__all__ = ["fuzz_and_show", "fuzz_bundles", "verify_sample"]

_JOBS = 2
_CHUNK = 2_500
_SAMPLED_SHARE, _SAMPLE_AT_ONCE = 0.002, 20
_CRASHES_BEFORE_GIVING_UP = 50


def fuzz_bundles(seed: int, numbers: range, findings: Findings, results: Counter[str]) -> float:
    """Try the bundles of some numbers in a process, which is started again where one ends it; returns the longest time of one."""
    first, slowest = numbers.start, 0.0
    for _ in range(_CRASHES_BEFORE_GIVING_UP):
        words = (str(seed), str(first), str(numbers.stop - first))
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.fuzzing.bundles.worker", *words],
            capture_output=True,
            text=True,
            check=False,
        )
        for line in done.stdout.splitlines():
            change, _, outcome = line.partition("\t")
            tried = json.loads(change)
            first = tried["number"] + 1
            if not outcome:
                findings.add("a bundle ends or hangs the process", f"{tried}: {done.returncode}: {done.stderr[-400:]}")
                results["ended the process"] += 1
                continue
            result, slowest = json.loads(outcome)["result"], max(slowest, json.loads(outcome)["seconds"])
            kind = result if result in FINE else result.partition(":")[0]
            results[kind] += 1
            if kind not in FINE:
                findings.add(f"a bundle {kind}", f"{tried}: {result}")
        if first >= numbers.stop:
            if done.stderr:
                findings.add("the process that loads bundles writes to stderr", done.stderr[-400:])
            return slowest
        if not done.stdout:
            raise RuntimeError(f"the process that tries bundles does not start: {done.stderr[-2_000:]}")
    raise RuntimeError(
        f"{_CRASHES_BEFORE_GIVING_UP} bundles ended the process that tries them; the last before {first}"
    )


def verify_sample(seed: int, numbers: range, findings: Findings, folder: Path) -> Counter[str]:
    """Have bundles verified as a server has it done, in processes of their own: what becomes of each is said, in one line."""
    found: Counter[str] = Counter()
    originals = write_originals(folder / "originals")
    for begin in range(numbers.start, numbers.stop, _SAMPLE_AT_ONCE):
        models = folder / f"models-{begin}"
        changes = {}
        for number in range(begin, min(begin + _SAMPLE_AT_ONCE, numbers.stop)):
            random = Random(f"{seed}:{number}")
            original = random.choice(originals)
            changes[f"m{number}", original.version] = _put(random, original, models / f"m{number}" / original.version)
        for key, problem in verify_aside(models, list(changes)).items():
            found["verified" if problem is None else "rejected"] += 1
            if problem is not None and ("\n" in problem or "verification failed" in problem or "ended" in problem):
                findings.add(
                    "a verified bundle has a problem of another kind", f"{key} {changes[key]}: {problem[:300]}"
                )
    return found


def _put(random: Random, original: Original, directory: Path) -> str:
    """Write a changed bundle, whose manifest names its folder wherever it can be read."""
    change, files = mutate(random, original.files)
    with contextlib.suppress(ValueError, AttributeError, TypeError, KeyError, OverflowError):
        fields = json.loads(files[MANIFEST])
        fields["name"] = directory.parent.name
        files[MANIFEST] = json.dumps(fields).encode()
        seal(files)
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return change


def fuzz_and_show(console: Console, findings: Findings, given: argparse.Namespace, count: int) -> None:
    """Try bundles, and print what came of them."""
    results: Counter[str] = Counter()
    began = time.perf_counter()
    end = given.first + count
    chunks = [range(begin, min(begin + _CHUNK, end)) for begin in range(given.first, end, _CHUNK)]
    slowest, done = 0.0, 0
    with ThreadPoolExecutor(_JOBS) as pool:
        for chunk, seconds in zip(
            chunks, pool.map(lambda chunk: fuzz_bundles(given.seed, chunk, findings, results), chunks), strict=True
        ):
            slowest, done = max(slowest, seconds), done + len(chunk)
            took = time.perf_counter() - began
            console.print(
                f"bundles: {done:,} of {count:,}, {done / took:,.0f} a second, {len(findings.kinds)} kinds of findings"
            )
    took = time.perf_counter() - began
    with tempfile.TemporaryDirectory(prefix="presage-fuzz-") as folder:
        sample = range(given.first, given.first + max(1, int(count * _SAMPLED_SHARE)))
        verified = verify_sample(given.seed, sample, findings, Path(folder))
    console.print(
        f"bundles, seed {given.seed}, from {given.first:,}: {count:,} in {took:.0f} s, {count / took:,.0f} a second, the slowest "
        f"{slowest:.1f} s: "
        + ", ".join(f"{times:,} {result}" for result, times in results.most_common())
        + f"; of {verified.total()} through the verifier's processes {verified['rejected']} were rejected",
        highlight=False,
    )
