"""Who asks a cluster where its partitions are."""

from __future__ import annotations

from benchmarks.rig.local_cluster import wait_until
from presage_server.store.cluster.map_keeper import MapKeeper


class _Slots:
    """Cannot be understood the first time."""

    def __init__(self) -> None:
        self.asked = 0

    def refresh(self) -> None:
        self.asked += 1
        if self.asked == 1:
            raise IndexError("a reply of another form")


def test_after_a_reply_that_cannot_be_understood_it_asks_again(caplog):
    slots = _Slots()
    keeper = MapKeeper(slots)  # type: ignore[arg-type] # what is used of it is the same
    keeper.start()
    try:
        keeper.want()
        wait_until(keeper.take)
        assert not keeper.take()
    finally:
        keeper.close()
    assert slots.asked == 2
    assert "a reply of another form" in caplog.text
