"""Servers are replaced one by one, from the last commit to this checkout; `make upgrade-proof` goes from older revisions."""

from __future__ import annotations

import pytest

from benchmarks.proofs.upgrade_proof import prove
from benchmarks.rig.checkouts import CheckoutError


@pytest.mark.slow
def test_nothing_is_lost_while_servers_are_replaced():
    try:
        proof = prove("HEAD", visitors=30)
    except CheckoutError as error:
        pytest.skip(f"this is no checkout with a history: {error}")
    assert proof.holds, proof
    assert proof.events > 200
    assert set(proof.bundles.values()) == {"served"}
