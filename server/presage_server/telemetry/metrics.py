"""What the server counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic

import grpc
from prometheus_client import CollectorRegistry

from presage_server.access.gate import Readers
from presage_server.call import CANCELLED, Call
from presage_server.rpc.status import CODE_NAMES
from presage_server.telemetry.counting import Count, Counters, Distribution, Histograms
from presage_server.telemetry.stages import STAGES, Stages
from presage_server.telemetry.versions import VersionMetrics

__all__ = ["Metrics"]

_BUCKETS_SECONDS = (
    *(0.0001, 0.0002, 0.0003, 0.0004, 0.0005, 0.0006, 0.0008),
    *(0.001, 0.0015, 0.002, 0.003, 0.005, 0.01, 0.05, 0.1),
)

_UNAVAILABLE = grpc.StatusCode.UNAVAILABLE.value[0]
_STAGE_BUCKETS_SECONDS = (0.000005, 0.00001, 0.00002, 0.00005, *_BUCKETS_SECONDS)
_CANDIDATE_BUCKETS = (1, 5, 10, 20, 50, 100, 150, 200, 300, 500, 1_000)


class Metrics:
    """What the server counts, in a registry of its own; all of it belongs to one event loop."""

    unready: Callable[[], str] = staticmethod(lambda: "the server is starting")
    """Why no calls should be sent here; empty if they should."""
    readers: Callable[[], Readers] = staticmethod(list)
    """Who may read them; no one until that is known."""

    def __init__(self) -> None:
        handled = Counters("grpc_server_handled", "Calls ended, by method and status.", ("grpc_method", "grpc_code"))
        seconds = Histograms(
            "grpc_server_handling_seconds",
            "Time from the start of a handler to its end.",
            "grpc_method",
            _BUCKETS_SECONDS,
        )
        self.stages = Histograms(
            "presage_stage_seconds", "Time that calls spent in each stage.", "stage", _STAGE_BUCKETS_SECONDS, STAGES
        )
        events = Counters(
            "presage_events",
            "Events tracked, by outcome.",
            ("outcome",),
            known=[("applied",), ("duplicate",), ("invalid",), ("refused",)],
        )
        self.events_applied = events["applied",]
        self.events_duplicate = events["duplicate",]
        self.events_invalid = events["invalid",]
        self.events_rejected = events["refused",]
        scores = Counters(
            "presage_scores",
            "Visitors scored, by what was known of them.",
            ("history",),
            known=[("known",), ("none",), ("unreadable",)],
        )
        self._scores_known = scores["known",]
        self._scores_cold = scores["none",]
        self._scores_degraded = scores["unreadable",]
        unreadable = Counters(
            "presage_unreadable_states", "Reads of a visitor's state that could not be decoded.", known=[()]
        )
        self.unreadable_states = unreadable[()]
        ahead = Counters(
            "presage_states_ahead",
            "Events that met a state more than five minutes ahead of the server's clock, whose times were then moved back.",
            known=[()],
        )
        self.states_ahead = ahead[()]
        conflicts = Counters(
            "presage_store_conflicts", "Compare-and-sets lost to another writer, and tried again.", known=[()]
        )
        self.store_conflicts = conflicts[()]
        vectors = Counters(
            "presage_sampled_vectors",
            "Served vectors that were to be logged, by outcome and the reason to drop them.",
            ("outcome", "reason"),
        )
        self.vectors_logged = vectors["logged", ""]
        self.vectors_dropped = {reason: vectors["dropped", reason] for reason in ("backlog", "rejected", "unavailable")}
        exposures = Counters(
            "presage_exposures",
            "Rankings that were to be logged, by outcome and the reason to drop them.",
            ("outcome", "reason"),
        )
        self.exposures_logged = exposures["logged", ""]
        self.exposures_dropped = {
            reason: exposures["dropped", reason] for reason in ("backlog", "rejected", "unavailable")
        }
        rankings = Counters(
            "presage_rankings",
            "Lists of items ranked for visitors, by what was known of them.",
            ("history",),
            known=[("known",), ("none",), ("unreadable",)],
        )
        self._rankings = {history: rankings[history,] for history in ("known", "none", "unreadable")}
        self.candidates = Histograms(
            "presage_candidates", "Candidates of each ranking, by who found them.", "found_by", _CANDIDATE_BUCKETS
        )
        cold = Counters("presage_cold_items", "Ranked items that the catalogue does not know.", known=[()])
        self.cold_items = cold[()]
        self._bundles_rejected = Counters(
            "presage_bundles_rejected", "Newer versions of a model that cannot be served, found at start.", ("model",)
        )
        jumps = Counters(
            "presage_clock_jumps", "Jumps of the server's clock by more than three seconds, ahead or back.", known=[()]
        )
        self.clock_jumps = jumps[()]
        pairs = Counters(
            "presage_pairs",
            "Scores, or lists, that were to be made with other versions, too, by outcome and the reason to drop them.",
            ("outcome", "reason"),
        )
        self.pairs_scored = pairs["scored", ""]
        self.pairs_dropped = pairs["dropped", "backlog"]
        self.versions = VersionMetrics()
        """What each version of each model did."""
        rollbacks = Counters("presage_rollbacks", "Challengers that the guard has rolled back.", ("model",))
        self.rollbacks = rollbacks
        self.rollbacks_not_written = Counters(
            "presage_rollbacks_not_written",
            "Rollbacks that hold in one process only, as aliases.json could not be written.",
            ("model",),
        )
        self.registry = CollectorRegistry()
        for collector in (
            *(handled, seconds, self.stages, events, scores, unreadable, ahead, conflicts, vectors, jumps),
            *(exposures, rankings, self.candidates, cold, self._bundles_rejected),
            *(pairs, self.versions, rollbacks, self.rollbacks_not_written),
        ):
            self.registry.register(collector)
        self._handled, self._seconds = handled, seconds
        self.store_is_silent: Callable[[], bool] = lambda: False
        """Whether calls wait for a store that hangs."""
        self._of_calls: dict[tuple[str, int | None], tuple[Count, Distribution]] = {}
        """The counters of a method and status, which are found faster here."""

    def count_call(self, call: Call) -> None:
        """Count a call that has ended. One that its caller gave up because the store was silent counts as UNAVAILABLE."""
        code = call.code
        if code == CANCELLED and self.store_is_silent():
            code = _UNAVAILABLE
        counters = self._of_calls.get((call.method, code))
        if counters is None:
            name = call.method.rpartition("/")[2]
            counters = self._handled[name, CODE_NAMES.get(code or 0, "UNKNOWN")], self._seconds[name]
            self._of_calls[call.method, code] = counters
        counters[0].inc()
        counters[1].observe(monotonic() - call.received)

    def observe_stages(self, stages: Stages, calls: int) -> None:
        """Count the time that so many calls of a batch spent in each stage."""
        for name, seconds in stages.seconds().items():
            self.stages[name].observe(seconds, calls)

    def count_scores(self, *, known: int, cold: int, degraded: int) -> None:
        """Count visitors scored: with their history, without any, and with one that could not be read."""
        self._scores_known.inc(known)
        if cold:
            self._scores_cold.inc(cold)
        if degraded:
            self._scores_degraded.inc(degraded)

    def count_ranking(self, *, cold: bool, degraded: bool, candidates: int, given: bool) -> None:
        """Count a list that was ranked for a visitor."""
        self._rankings["unreadable" if degraded else "none" if cold else "known"].inc()
        self.candidates["caller" if given else "server"].observe(candidates)

    def count_rejected_bundles(self, rejected: Mapping[str, int]) -> None:
        """Count versions of models that were rejected in favor of an older one, by the model's name."""
        for name, count in rejected.items():
            self._bundles_rejected[name,].inc(count)
