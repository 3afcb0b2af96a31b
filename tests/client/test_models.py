"""The models of a server, as both clients describe and change them."""

from __future__ import annotations

import dataclasses

import grpc
import pytest

from presage.v1 import model_service_pb2 as pb
from presage_client import (
    AliasChange,
    Aliases,
    GoldenCheck,
    ModelDetails,
    ModelKind,
    ModelSummary,
    RollbackRules,
    UnavailableError,
    VersionState,
    VersionSummary,
)
from support.scripted_servicer import Abort

RULES = {
    "window_seconds": 5.0,
    "min_scores": 10,
    "max_error_share": 0.1,
    "max_latency_ratio": 2.0,
    "max_default_share_difference": 0.2,
    "max_score_shift": 0.3,
    "paired_alpha": 0.01,
}
ALIASES = {
    "champion": "3",
    "challenger": "4",
    "challenger_share": 0.25,
    "shadow": "5",
    "prior": "2",
    "holdout_share": 0.02,
    "salt": "s",
    "pairs_share": 0.5,
    "revision": 7,
}
OURS = Aliases(**ALIASES, rollback=RollbackRules(**RULES))
THEIRS = pb.Aliases(**ALIASES, rollback=pb.RollbackRules(**RULES))


@pytest.mark.parametrize(
    ("ours", "contract", "renamed"),
    [
        (Aliases, pb.Aliases, {}),
        (RollbackRules, pb.RollbackRules, {}),
        (AliasChange, pb.AliasChange, {}),
        (GoldenCheck, pb.GoldenCheck, {}),
        (ModelSummary, pb.ModelSummary, {}),
        (VersionSummary, pb.VersionSummary, {}),
        (ModelDetails, pb.GetModelResponse, {"features": "importances"}),
    ],
)
def test_fields_are_those_of_the_contract(ours, contract, renamed):
    expected = {renamed.get(field.name, field.name) for field in contract.DESCRIPTOR.fields}
    assert {field.name for field in dataclasses.fields(ours)} == expected


@pytest.mark.parametrize(
    ("ours", "contract", "prefix"),
    [(ModelKind, pb.ModelKind, "MODEL_KIND_"), (VersionState, pb.VersionState, "VERSION_STATE_")],
)
def test_enums_are_those_of_the_contract(ours, contract, prefix):
    assert {f"{prefix}{member.name}": member.value for member in ours} == dict(contract.items())


async def test_models_are_listed(client, servicer):
    versions = [
        pb.VersionSummary(version="3", state=pb.VERSION_STATE_LOADED),
        pb.VersionSummary(version="4", state=pb.VERSION_STATE_REJECTED, problem="model.onnx: is missing"),
        pb.VersionSummary(version="5", state=99),
    ]
    summary = pb.ModelSummary(
        name="conversion", kind=pb.MODEL_KIND_SCORING, aliases=THEIRS, versions=versions, default_model=True
    )
    servicer.script.append(pb.ListModelsResponse(models=[summary]))

    [found] = await client.list_models()

    assert found == ModelSummary(
        name="conversion",
        kind=ModelKind.SCORING,
        aliases=OURS,
        versions=(
            VersionSummary(version="3", state=VersionState.LOADED, problem=""),
            VersionSummary(version="4", state=VersionState.REJECTED, problem="model.onnx: is missing"),
            VersionSummary(version="5", state=VersionState.UNSPECIFIED, problem=""),
        ),
        default_model=True,
        problem="",
    )


async def test_a_model_is_described(client, servicer):
    servicer.script.append(
        pb.GetModelResponse(
            model="conversion",
            version="4",
            kind=pb.MODEL_KIND_SCORING,
            state=pb.VERSION_STATE_LOADED,
            feature_set="conversion",
            fingerprint="ab",
            features=[
                pb.FeatureImportance(feature="views", importance=0.75),
                pb.FeatureImportance(feature="carts", importance=0.0),
                pb.FeatureImportance(feature="unknown"),
            ],
            metrics={"roc_auc": 0.8},
            training_data={"source": "shop"},
            libraries={"lightgbm": "4.7"},
            golden_check=pb.GoldenCheck(rows=64, max_difference=1e-7),
            changes=[
                pb.AliasChange(
                    changed_at_unix_micros=5, changed_by="ann", reason="better", before=pb.Aliases(), after=THEIRS
                )
            ],
            missing=["importances: of one feature"],
        )
    )

    found = await client.get_model("conversion", version="4")

    assert servicer.requests("GetModel") == [pb.GetModelRequest(model="conversion", version="4")]
    assert found.importances == {"views": 0.75, "carts": 0.0, "unknown": None}
    assert found.golden_check == GoldenCheck(rows=64, max_difference=1e-7)
    assert found.changes == (
        AliasChange(
            changed_at_unix_micros=5,
            changed_by="ann",
            reason="better",
            before=Aliases(pairs_share=0.0),
            after=OURS,
        ),
    )
    assert (found.metrics, found.training_data, found.libraries) == (
        {"roc_auc": 0.8},
        {"source": "shop"},
        {"lightgbm": "4.7"},
    )
    assert found.missing == ("importances: of one feature",)


async def test_what_is_not_known_is_none(client):
    found = await client.get_model()

    assert (found.model, found.golden_check, found.changes) == ("plain", None, ())


@pytest.mark.parametrize("rollback", [None, RollbackRules()])
async def test_aliases_are_set(client, servicer, rollback):
    wanted = dataclasses.replace(OURS, rollback=rollback)

    found = await client.set_aliases(wanted, changed_by="ann", reason="better", model="conversion", timeout_ms=20_000)

    assert found == dataclasses.replace(wanted, revision=8)
    [request] = servicer.requests("SetAliases")
    assert (request.model, request.changed_by, request.reason) == ("conversion", "ann", "better")
    assert request.aliases.HasField("rollback") == (rollback is not None)


async def test_a_change_is_never_repeated(client, servicer):
    servicer.script.append(Abort(grpc.StatusCode.UNAVAILABLE, "shutting down"))

    with pytest.raises(UnavailableError):
        await client.set_aliases(OURS, changed_by="ann", timeout_ms=20_000)

    assert len(servicer.requests("SetAliases")) == 1


async def test_a_description_is_asked_for_again(client, servicer):
    servicer.script.append(Abort(grpc.StatusCode.UNAVAILABLE, "shutting down"))

    assert (await client.get_model()).model == "plain"
    assert len(servicer.requests("GetModel")) == 2


async def test_what_are_no_aliases_is_refused_before_it_is_sent(client, servicer):
    with pytest.raises(TypeError, match=r"^aliases: expected an Aliases, got 'champion'"):
        await client.set_aliases("champion", changed_by="ann")
    with pytest.raises(TypeError, match=r"^changed_by: got 3"):
        await client.set_aliases(OURS, changed_by=3)
    assert servicer.received == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"champion": 3}, "champion: expected a string, got 3"),
        ({"challenger_share": "10%"}, "challenger_share: expected a number, got '10%'"),
        ({"revision": 1.5}, "revision: expected an integer, got 1.5"),
        ({"rollback": {}}, "rollback: expected a RollbackRules, got {}"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(fields, message):
    with pytest.raises(TypeError) as caught:
        Aliases(**fields)
    assert str(caught.value).startswith(message)


def test_a_rule_of_the_wrong_type_is_named():
    with pytest.raises(TypeError, match=r"^min_scores: expected an integer, got '200'"):
        RollbackRules(min_scores="200")
