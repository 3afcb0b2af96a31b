"""ModelService on a running server: models are listed and described, and their aliases are changed or the change is rejected."""

from __future__ import annotations

import shutil
from dataclasses import replace

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from presage.v1 import model_service_pb2 as pb
from presage.v1 import model_service_pb2_grpc
from presage_client import AsyncClient, ClientOptions, ModelKind, RollbackRules, UnavailableError, VersionState
from presage_export.bundle import read_bundle
from presage_export.registry import Aliases, read_aliases, read_changes, replace_aliases
from support.bundle_files import as_older_format, copy_bundle
from support.running_server import serving

CODE = grpc.StatusCode


@pytest.fixture
def folder(models, tmp_path):
    """``conversion`` 1, 2 and 3, of which 2 is broken, and ``second`` 2."""
    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    for version in "23":
        copy_bundle(folder / "conversion" / "1", folder / "conversion" / version)
    (folder / "conversion" / "2" / "model.onnx").write_bytes(b"broken")
    return folder


def stub(served):
    return model_service_pb2_grpc.ModelServiceStub(served.channel)


def request(folder, **changes):
    present = read_aliases(folder / "conversion")
    fields = {"champion": "1", "revision": present.revision} | changes
    return pb.SetAliasesRequest(aliases=pb.Aliases(**fields), changed_by="ann", reason="to try")


async def rejected(call) -> tuple[grpc.StatusCode, str, list[str]]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    details = dict(caught.value.trailing_metadata()).get("grpc-status-details-bin")
    fields = []
    if details is not None:
        bad_request = error_details_pb2.BadRequest()
        assert status_pb2.Status.FromString(details).details[0].Unpack(bad_request)
        fields = [violation.field for violation in bad_request.field_violations]
    return caught.value.code(), caught.value.details(), fields


@pytest.mark.usefixtures("each_transport")
async def test_models_are_listed_with_their_versions_and_who_serves(store, folder):
    replace_aliases(
        folder / "conversion",
        Aliases(champion="3", shadow="1"),
        now_unix_micros=1,
        changed_by="ann",
        reason="",
    )
    async with serving(redis_url=store.url, models=folder) as served:
        conversion, second = (await stub(served).ListModels(pb.ListModelsRequest())).models
    assert (conversion.name, conversion.kind, conversion.default_model) == ("conversion", pb.MODEL_KIND_SCORING, True)
    assert (second.name, second.kind, second.default_model) == ("second", pb.MODEL_KIND_SCORING, False)
    assert (conversion.aliases.champion, conversion.aliases.shadow, conversion.aliases.revision) == ("3", "1", 1)
    assert [version.version for version in conversion.versions] == ["1", "2", "3"]
    assert conversion.versions[-1].state == second.versions[0].state == pb.VERSION_STATE_LOADED
    assert (second.aliases.champion, second.aliases.revision) == ("2", 0), "what serves, though nothing names it"


async def test_aliases_that_cannot_be_read_are_a_problem_of_their_model_alone(store, folder):
    async with serving(redis_url=store.url, models=folder) as served:
        (folder / "conversion" / "aliases.json").write_text('{"champion": 3}')
        conversion, second = (await stub(served).ListModels(pb.ListModelsRequest())).models
    assert "presage models rollback" in conversion.problem
    assert (conversion.aliases.champion, second.problem) == ("3", "")


async def test_no_text_says_where_the_folder_lies(store, folder, tmp_path):
    """The broken version and the broken files are named, by their places in the folder."""
    (folder / "conversion" / "3" / "model.onnx").write_bytes(b"cut")
    async with serving(redis_url=store.url, models=folder, allow_set_aliases=True) as served:
        calls = stub(served)
        (folder / "second" / "aliases.json").write_text('{"champion": 3}')
        listed = str(await calls.ListModels(pb.ListModelsRequest()))
        found = str(await calls.GetModel(pb.GetModelRequest(version="3")))
        rejected = []
        for model, champion in (("none", "1"), ("second", "2"), ("conversion", "3")):
            request = pb.SetAliasesRequest(model=model, aliases=pb.Aliases(champion=champion), changed_by="ann")
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await calls.SetAliases(request)
            rejected.append(error.value)
    assert [error.code().name for error in rejected] == ["NOT_FOUND", "FAILED_PRECONDITION", "FAILED_PRECONDITION"]
    assert "conversion/3/model.onnx: " in listed
    assert "second/aliases.json: " in listed
    for text in (listed, found, *(error.details() for error in rejected)):
        assert str(tmp_path) not in text


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("junk\n"), lambda path: path.mkdir()])
async def test_a_history_that_cannot_be_read_is_told_of(store, folder, spoil):
    path = folder / "conversion" / "changes.jsonl"
    spoil(path)
    async with serving(redis_url=store.url, models=folder) as served:
        found = await stub(served).GetModel(pb.GetModelRequest())
    assert found.version == "3"
    assert found.missing[-1].startswith("changes: conversion/changes.jsonl: ")
    assert "cannot be read" in found.missing[-1]


async def test_a_version_that_was_wanted_and_cannot_be_served_is_rejected_with_the_reason(store, folder):
    (folder / "conversion" / "3" / "golden.npz").unlink()
    async with serving(redis_url=store.url, models=folder) as served:
        conversion, _ = (await stub(served).ListModels(pb.ListModelsRequest())).models
        found = await stub(served).GetModel(pb.GetModelRequest(version="3"))
        champion = await stub(served).GetModel(pb.GetModelRequest())
    assert [version.state for version in conversion.versions] == [
        pb.VERSION_STATE_LOADED,
        pb.VERSION_STATE_REJECTED,
        pb.VERSION_STATE_REJECTED,
    ]
    assert conversion.versions[-1].problem.endswith("conversion/3/golden.npz: is missing")
    assert (found.state, found.problem) == (pb.VERSION_STATE_REJECTED, conversion.versions[-1].problem)
    assert champion.version == "1"


async def test_a_version_is_described_with_all_that_is_known_of_it(store, folder):
    async with serving(redis_url=store.url, models=folder) as served:
        found = await stub(served).GetModel(pb.GetModelRequest())
        other = await stub(served).GetModel(pb.GetModelRequest(model="second", version="2"))
    bundle = read_bundle(folder / "conversion" / "3")
    assert (found.model, found.version, found.state) == ("conversion", "3", pb.VERSION_STATE_LOADED)
    assert (other.model, other.version, other.feature_set) == ("second", "2", "paris")
    assert (found.feature_set, found.fingerprint) == ("conversion", bundle.manifest.feature_set.fingerprint)
    assert [feature.feature for feature in found.features] == list(bundle.manifest.feature_set.features)
    assert found.golden_check.rows == 64
    assert 0.0 < found.golden_check.max_difference < 1e-5
    assert (dict(found.metrics), dict(found.training_data)) == ({}, {})


async def test_the_shipped_models_have_metrics_and_training_data(store):
    async with serving(redis_url=store.url) as served:
        found = await stub(served).GetModel(pb.GetModelRequest())
        ranking = await stub(served).GetModel(pb.GetModelRequest(model="ranking"))
    assert found.metrics["roc_auc"] > 0.5
    assert found.training_data["source"] == "simulated-shop"
    assert "lightgbm" in found.libraries
    assert ranking.kind == pb.MODEL_KIND_RANKING
    assert sum(feature.importance for feature in ranking.features) == pytest.approx(1.0, abs=1e-4)
    assert ranking.golden_check.rows > 32


@pytest.mark.parametrize("format_version", [1, 2])
async def test_what_an_old_bundle_lacks_is_said_and_not_guessed(store, folder, format_version):
    as_older_format(folder / "conversion" / "3", format_version)
    async with serving(redis_url=store.url, models=folder) as served:
        found = await stub(served).GetModel(pb.GetModelRequest())
    assert found.version == "3"
    assert not any(feature.HasField("importance") for feature in found.features)
    assert found.missing[0] == "importances: it was trained by a release that did not write them"
    parts = [missing.partition(":")[0] for missing in found.missing]
    assert parts[1:3] == ["explain.npz", "baseline.npz"]
    assert parts[3:] == (["golden scores, coverage and the manifest's digest"] if format_version == 1 else [])


async def test_a_version_that_is_not_served_is_described_from_its_folder(store, folder):
    async with serving(redis_url=store.url, models=folder) as served:
        available = await stub(served).GetModel(pb.GetModelRequest(version="1"))
        (folder / "conversion" / "1" / "manifest.json").write_text("{")
        unreadable = await stub(served).GetModel(pb.GetModelRequest(version="1"))
    assert (available.version, available.state) == ("1", pb.VERSION_STATE_AVAILABLE)
    assert not available.HasField("golden_check")
    assert unreadable.state == pb.VERSION_STATE_REJECTED
    assert "is not a valid manifest" in unreadable.problem


async def test_an_unknown_model_or_version_is_not_found(store, folder):
    async with serving(redis_url=store.url, models=folder) as served:
        for name in ("other", "../models"):
            found = await rejected(stub(served).GetModel(pb.GetModelRequest(model=name)))
            assert found == (
                CODE.NOT_FOUND,
                f"model: expected one of ['conversion', 'second'], got {name!r}",
                ["model"],
            )
        for version in ("9", "../3"):
            found = await rejected(stub(served).GetModel(pb.GetModelRequest(version=version)))
            assert found == (CODE.NOT_FOUND, f"version: expected one of ['1', '2', '3'], got {version!r}", ["version"])


async def test_aliases_are_set_and_the_change_is_in_the_history(store, folder):
    async with serving(redis_url=store.url, models=folder, allow_set_aliases=True) as served:
        change = request(folder, challenger="3", challenger_share=0.25, salt="s", pairs_share=0.5)
        change.aliases.rollback.CopyFrom(
            pb.RollbackRules(
                window_seconds=5.0,
                min_scores=10,
                max_error_share=0.0,
                max_latency_ratio=2.0,
                max_default_share_difference=0.2,
                max_score_shift=0.3,
                paired_alpha=0.01,
            )
        )
        first = (await stub(served).SetAliases(change)).aliases
        second = (await stub(served).SetAliases(request(folder))).aliases
        described = await stub(served).GetModel(pb.GetModelRequest())
    assert (first.revision, first.challenger, first.challenger_share, first.rollback.min_scores) == (1, "3", 0.25, 10)
    assert (second.revision, second.challenger, second.rollback.min_scores) == (2, "", 10), "rules stay unless given"
    assert read_aliases(folder / "conversion").revision == 2
    assert [change.after.challenger for change in described.changes] == ["", "3"], "the newest first"
    assert {(change.changed_by, change.reason) for change in described.changes} == {("ann", "to try")}
    moments = [change.changed_at_unix_micros for change in read_changes(folder / "conversion")]
    assert 1_600_000_000_000_000 < moments[0] <= moments[1]


async def test_without_permission_nothing_is_set(store, folder):
    async with serving(redis_url=store.url, models=folder) as served:
        code, message, _ = await rejected(stub(served).SetAliases(request(folder)))
    assert code is CODE.PERMISSION_DENIED
    assert "start it with --allow-set-aliases" in message
    assert not (folder / "conversion" / "aliases.json").exists()


REJECTED = [
    ({"revision": 7}, CODE.ABORTED, "aliases of conversion: expected revision 0, got 7: they were changed", None),
    ({"champion": "9"}, CODE.FAILED_PRECONDITION, "conversion: expected one of its versions 1, 2, 3, got 9", None),
    ({"champion": "2"}, CODE.FAILED_PRECONDITION, "conversion 2 cannot be served, so nothing was changed: ", None),
    ({"shadow": "2"}, CODE.FAILED_PRECONDITION, "conversion 2 cannot be served, so nothing was changed: ", None),
    (
        {"challenger": "3", "challenger_share": 1.5},
        CODE.INVALID_ARGUMENT,
        "expected 0 to 1, got 1.5",
        "challenger_share",
    ),
    ({"challenger_share": 0.5}, CODE.INVALID_ARGUMENT, "expected 0 without a challenger", "challenger_share"),
    ({"holdout_share": -1}, CODE.INVALID_ARGUMENT, "expected 0 to 1", "holdout_share"),
    ({"champion": "../3"}, CODE.INVALID_ARGUMENT, "expected a version", "champion"),
    ({"shadow": "1"}, CODE.INVALID_ARGUMENT, "expected not the champion", "shadow"),
    ({"revision": -1}, CODE.INVALID_ARGUMENT, "expected 0 to", "revision"),
    (
        {"rollback": pb.RollbackRules(window_seconds=10.0)},
        CODE.INVALID_ARGUMENT,
        "expected a number above 0, got 0.0",
        "rollback.max_latency_ratio",
    ),
]


async def test_a_change_that_cannot_hold_is_rejected_and_changes_nothing(store, folder):
    async with serving(redis_url=store.url, models=folder, allow_set_aliases=True) as served:
        for changes, code, reason, field in REJECTED:
            found = await rejected(stub(served).SetAliases(request(folder, **changes)))
            named = "" if field is None else f"aliases.{field}"
            assert found[0] is code, changes
            assert found[1].startswith(f"{named}: {reason}" if named else reason), changes
            assert found[2] == ([named] if named else [])
    assert not (folder / "conversion" / "aliases.json").exists()
    assert not (folder / "conversion" / "changes.jsonl").exists()


async def test_a_request_that_breaks_the_contract_is_rejected_by_its_field(store, folder):
    good = {"aliases": pb.Aliases(), "changed_by": "ann"}
    async with serving(redis_url=store.url, models=folder, allow_set_aliases=True) as served:
        for changes, code, field in (
            ({"aliases": None}, CODE.INVALID_ARGUMENT, "aliases"),
            ({"changed_by": ""}, CODE.INVALID_ARGUMENT, "changed_by"),
            ({"reason": "x" * 1_025}, CODE.INVALID_ARGUMENT, "reason"),
            ({"model": "other"}, CODE.NOT_FOUND, "model"),
            ({"model": "../models/conversion"}, CODE.NOT_FOUND, "model"),
        ):
            found = await rejected(stub(served).SetAliases(pb.SetAliasesRequest(**(good | changes))))
            assert (found[0], found[2]) == (code, [field])


async def test_broken_aliases_are_not_replaced(store, folder):
    async with serving(redis_url=store.url, models=folder, allow_set_aliases=True) as served:
        (folder / "conversion" / "aliases.json").write_text("{")
        change = pb.SetAliasesRequest(aliases=pb.Aliases(champion="1"), changed_by="ann")
        code, message, _ = await rejected(stub(served).SetAliases(change))
    assert code is CODE.FAILED_PRECONDITION
    assert "presage models rollback" in message
    assert (folder / "conversion" / "aliases.json").read_text() == "{"


@pytest.mark.usefixtures("each_transport")
async def test_what_is_no_request_is_rejected(store, models):
    async with serving(redis_url=store.url, models=models) as served:
        call = served.channel.unary_unary("/presage.v1.ModelService/GetModel")
        code, message, _ = await rejected(call(b"\xff\xff"))
    assert (code, "2 bytes that cannot be parsed" in message) == (CODE.INVALID_ARGUMENT, True)


async def test_the_client_lists_describes_and_changes_models(store, folder):
    settings = {"redis_url": store.url, "models": folder, "allow_set_aliases": True}
    options = ClientOptions(timeout_ms=20_000)
    async with serving(**settings) as served, AsyncClient(served.address, options=options) as client:
        conversion, _ = await client.list_models()
        shadowed = await client.set_aliases(
            replace(conversion.aliases, champion="3", shadow="1"),
            changed_by="ann",
            reason="to compare",
            timeout_ms=20_000,
        )
        details = await client.get_model(version="3")
        with pytest.raises(UnavailableError, match="read them again and decide again") as caught:
            await client.set_aliases(conversion.aliases, changed_by="bob", timeout_ms=20_000)
    assert caught.value.code is CODE.ABORTED
    assert [version.version for version in conversion.versions] == ["1", "2", "3"]
    assert (shadowed.shadow, shadowed.revision, shadowed.rollback) == ("1", 1, RollbackRules())
    assert details.changes[0].after == shadowed
    assert (details.state, details.kind) == (VersionState.LOADED, ModelKind.SCORING)
    assert details.golden_check is not None
    assert details.golden_check.rows == 64
    assert set(details.importances.values()) == {None}
