"""What ``--project`` does for train, evaluate, replay and audit."""

from __future__ import annotations

import json
from functools import partial

import msgspec
import pytest
from training.commands.running import run_here
from training.logs import shop

from presage_featurizer.custom import read_custom_features
from presage_server.errors import ModelError
from presage_server.models.loading import load_model
from presage_training.project.scaffold import write_project
from presage_training.readers import write_presage_log
from support.scripted_servicer import ScriptedServicer, serving

# One process trains for all of them.
pytestmark = pytest.mark.xdist_group("project")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the project ``shop`` and the log ``log.jsonl``, whose mapping is in the project."""
    folder = tmp_path_factory.mktemp("project")
    write_presage_log(folder / "log.jsonl", shop(visitors=400))
    fields = ("event_id", "user_id", "session_id", "country", "device", "order_id")
    columns = {name: name for name in fields} | {"event_type": "type", "event_time": "event_time_unix_micros"}
    columns |= {"item_id": "items.0.item_id", "category": "items.0.category", "price": "items.0.price"}
    mapping = "[columns]\n" + "".join(f'{name} = "{column}"\n' for name, column in columns.items())
    write_project(folder / "shop", mapping=f'{mapping}[event_time]\nunit = "us"\n')
    (folder / "shop" / "training.toml").write_text(
        'target = "purchase-within:1"\ndecisions = "every-nth:2"\nmodels = ["lightgbm-classifier"]\ndraws = 100\nseed = 3\n'
    )
    return folder


@pytest.fixture
def presage(folder, monkeypatch, capsys):
    """Run ``presage`` in this process, in the folder."""
    monkeypatch.chdir(folder)
    return partial(run_here, monkeypatch, capsys)


@pytest.fixture(scope="module")
def trained(folder):
    """The run and the bundle of a training without further options."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = run_here(
            patch, _Silent(), "train", "log.jsonl", "--project", "shop", "--to", "run", "--bundle", "models/shop/1"
        )
    return done, folder / "models" / "shop" / "1"


class _Silent:
    """In place of pytest's ``capsys``, which fixtures of a module cannot have."""

    out = err = ""

    def readouterr(self):
        return self


def manifest_of(bundle):
    return json.loads((bundle / "manifest.json").read_text())


def test_training_takes_features_mapping_and_question_from_the_project(folder, trained):
    done, bundle = trained
    manifest = manifest_of(bundle)
    own = read_custom_features(folder / "shop")

    assert done.code == 0
    assert manifest["feature_set"]["name"] == "shop"
    assert manifest["feature_set"]["features"] == list(own.feature_set.features)
    assert manifest["feature_set"]["custom"] == dict(own.definitions)
    assert {name: manifest["data"][name] for name in ("target", "decisions", "seed")} == {
        "target": "purchase-within:1", "decisions": "every-nth:2", "seed": 3,
    }  # fmt: skip
    assert load_model(bundle, own).feature_set == own.feature_set
    with pytest.raises(ModelError, match="is a project's own feature"):
        load_model(bundle)


def test_options_win_and_the_last_line_serves_with_the_project(presage, folder):
    options = ("--target", "purchase-in-session", "--features", "conversion", "--seed", 4, "--format", "presage")
    done = presage("train", "log.jsonl", "--project", "shop", "--to", "other run", *options)
    manifest = manifest_of(folder / "other run" / "models" / "lightgbm-classifier" / "1")

    assert (done.code, done.err) == (0, "")
    assert manifest["feature_set"]["name"] == "conversion"
    assert (manifest["data"]["target"], manifest["data"]["seed"]) == ("purchase-in-session", 4)
    assert done.out.splitlines()[-1] == (
        "next: presage serve --project shop --models 'other run/models' --default-model lightgbm-classifier"
    )


@pytest.mark.slow
def test_own_features_can_be_named_and_rows_do_not_depend_on_workers(presage, folder):
    for workers in (1, 2):
        options = ("--features", "hour_of_day,dear_view_share,categories_viewed", "--workers", workers)
        done = presage("train", "log.jsonl", "--project", "shop", "--to", f"run-{workers}", *options)
        assert (done.code, done.err) == (0, "")
    bundles = [folder / f"run-{workers}" / "models" / "lightgbm-classifier" / "1" for workers in (1, 2)]

    assert (bundles[0] / "manifest.json").read_bytes() == (bundles[1] / "manifest.json").read_bytes()
    assert list(manifest_of(bundles[0])["feature_set"]["custom"]) == ["categories_viewed", "dear_view_share"]


def test_the_variable_names_the_project_too(presage, monkeypatch):
    monkeypatch.setenv("PRESAGE_PROJECT", "nowhere")
    done = presage("train", "log.jsonl", "--to", "run-3")

    assert (done.code, done.err) == (
        2, "presage train: nowhere: no such folder; name a folder that presage init made\n",
    )  # fmt: skip


def test_a_bundle_is_evaluated_with_its_project(presage, trained):
    done = presage("evaluate", trained[1], "log.jsonl", "--project", "shop")
    assert (done.code, done.err) == (0, "")
    assert "shop/1" in done.out

    done = presage("evaluate", trained[1], "log.jsonl", "--format", "presage")
    assert done.code == 2
    assert "is a project's own feature; name the project's folder with --project" in done.err


def test_a_log_is_replayed_by_the_projects_mapping(presage):
    servicer = ScriptedServicer()
    with serving(servicer) as target:
        done = presage("replay", "log.jsonl", "--project", "shop", "--target", target)

    assert (done.code, done.err) == (0, "")
    assert "skipped" not in done.out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('tragte = "x"', "shop/training.toml: unknown key 'tragte'; is 'target' meant?"),
        ('format = "excel"', "shop/training.toml: format: expected one of online-retail, rees46, presage, archive"),
        ('target = "fame"', "target: expected one of"),
    ],
)
def test_what_is_wrong_in_training_toml_is_said_in_one_line(presage, folder, text, message):
    path = folder / "shop" / "training.toml"
    before = path.read_text()
    path.write_text(text)
    try:
        done = presage("train", "log.jsonl", "--project", "shop", "--to", "run-4")
    finally:
        path.write_text(before)

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("presage train: ")
    assert message in done.err
    assert done.err.count("\n") == 1


FAILING = """
from presage_featurizer import View
from presage_featurizer.custom import feature

@feature(unit="ratio")
def inverse(view: View) -> float:
    \"\"\"Fails for a session's third event.\"\"\"
    return 1.0 / (view.session.event_count - 3)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_an_own_feature_that_fails_is_said_in_one_line(presage, folder, workers):
    (folder / "failing").mkdir(exist_ok=True)
    (folder / "failing" / "features.toml").write_text('name = "failing"\nextends = "core"\n')
    (folder / "failing" / "features.py").write_text(FAILING)
    options = ("--project", "failing", "--format", "presage", "--workers", workers, "--to", "failed")
    done = presage("train", "log.jsonl", *options)

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("presage train: ")
    assert "inverse" in done.err
    assert done.err.count("\n") == 1


@pytest.mark.slow
def test_an_own_feature_that_fails_on_another_log_is_said_in_one_line(presage, folder):
    (folder / "later").mkdir()
    (folder / "later" / "features.toml").write_text('name = "later"\nextends = "core"\n')
    source = FAILING.replace("1.0 / (view.session.event_count - 3)", "1.0 / max(0, 500 - view.session.event_count)")
    (folder / "later" / "features.py").write_text(source)
    crowded = list(shop(visitors=400))
    first = crowded[0]
    micros = first.event_time_unix_micros
    crowded += [
        msgspec.structs.replace(
            first, event_id=f"more-{number}", user_id="busy", event_time_unix_micros=micros + number
        )
        for number in range(600)
    ]
    write_presage_log(folder / "crowded.jsonl", crowded)
    options = ("--project", "later", "--format", "presage")
    trained = presage(
        "train",
        "log.jsonl",
        *options,
        "--models",
        "logistic-regression",
        "--to",
        "later run",
        "--bundle",
        "models/later/1",
    )
    assert (trained.code, trained.err) == (0, "")
    done = presage("evaluate", "models/later/1", "crowded.jsonl", *options, "--sort")

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("presage evaluate: ")
    assert "inverse" in done.err
    assert done.err.count("\n") == 1


@pytest.mark.slow
def test_features_that_the_log_cannot_fill_are_named(presage, folder):
    (folder / "bare").mkdir()
    (folder / "bare" / "features.toml").write_text(
        'name = "bare"\nextends = "core"\n[features]\n'
        'margin = { aggregate = "sum", of = "numbers.margin", over = "session" }\n'
        'seen = { aggregate = "count", over = "session" }\n'
    )
    missing = "No event of the log has numbers.margin, which margin reads: name its column in the mapping, or remove the feature."
    options = ("--project", "bare", "--format", "presage", "--models", "logistic-regression", "--to", "bare run")
    done = presage("train", "log.jsonl", *options)

    assert (done.code, done.err) == (0, "")
    assert missing in done.out.splitlines()
    assert "In every row the default: margin. No event of the log changes it" in done.out
    assert missing in json.loads((folder / "bare run" / "results.json").read_text())["remarks"]

    with serving(ScriptedServicer()) as target:
        done = presage("replay", "log.jsonl", "--project", "bare", "--format", "presage", "--target", target)
    assert (done.code, done.err) == (0, "")
    assert missing in done.out.splitlines()
