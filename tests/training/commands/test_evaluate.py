from __future__ import annotations

import json

import pytest
import typer
from training.logs import shop
from typer.testing import CliRunner

from presage_training.commands.evaluate import evaluate
from presage_training.commands.train import train
from presage_training.readers import write_presage_log
from presage_training.report import PAGE_FILE, RESULTS_FILE
from support.bundles import write_small_bundle

MODELS = "logistic-regression,xgboost-classifier"

# One process trains for all of them.
pytestmark = pytest.mark.xdist_group("evaluate")


def run(command, *arguments):
    """Run one command of ``presage`` in this process, whether or not it is installed under its name."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    return CliRunner(env={"COLUMNS": "300"}).invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a log, a later one, and a run of two models on the first."""
    folder = tmp_path_factory.mktemp("trained")
    write_presage_log(folder / "log.jsonl", shop(visitors=400))
    write_presage_log(folder / "later.jsonl", shop(visitors=300, seed=8))
    to = folder / "runs" / "first"
    arguments = ("--format", "presage", "--models", MODELS, "--draws", 100, "--to", to)
    return folder, run(train, folder / "log.jsonl", *arguments), arguments


def test_a_run_holds_results_a_page_and_a_bundle_of_each_model(trained):
    folder, done, _ = trained
    to = folder / "runs" / "first"
    results = json.loads((to / RESULTS_FILE).read_text())

    assert (done.exit_code, done.stderr) == (0, "")
    assert {path.name for path in to.iterdir()} == {RESULTS_FILE, PAGE_FILE, "models"}
    assert {path.name for path in (to / "models").iterdir()} == set(MODELS.split(","))
    assert [one["kind"] for one in results["models"]] == [
        "prevalence", "single-feature", "rfm-rule", *MODELS.split(","),
    ]  # fmt: skip
    assert results["data"]["parts"].keys() == {"train", "tune", "test"}
    assert {check["name"] for check in results["checks"]} >= {"shifted-now", "shuffled-labels"}
    assert f"{results['models'][-1]['metrics']['roc_auc']['value']:.3f}" in done.stdout
    assert str(to / PAGE_FILE) in done.stdout


def test_the_page_needs_nothing_from_elsewhere(trained):
    page = (trained[0] / "runs" / "first" / PAGE_FILE).read_text()

    assert not any(word in page for word in ("http:", "https:", "src=", "href=", "@import", "url(", "<script"))
    for word in (
        "Metrics",
        "Curves",
        "Importance",
        "Slices",
        "Leakage checks",
        "Timing",
        "Export",
        "xgboost-classifier",
    ):
        assert word in page


@pytest.mark.parametrize(("model", "method"), [("xgboost-classifier", "tree_shap"), ("logistic-regression", "linear")])
def test_scores_are_explained_on_request(trained, tmp_path, model, method):
    bundle = trained[0] / "runs" / "first" / "models" / model / "1"
    done = run(
        evaluate, bundle, trained[0] / "later.jsonl", "--format", "presage", "--draws", 100, "--explain",
        "--to", tmp_path / "page",
    )  # fmt: skip
    results = json.loads((tmp_path / "page" / RESULTS_FILE).read_text())
    found = results["models"][-1]["explanations"]

    assert (done.exit_code, done.stderr) == (0, "")
    assert found["method"] == method
    assert set(found["mean_contribution"]) == set(results["data"]["features"])
    weights = list(found["mean_contribution"].values())
    assert weights == sorted(weights, reverse=True)
    assert weights[0] > 0
    scores = [example["score"] for example in found["examples"]]
    assert scores == sorted(scores, reverse=True)
    for reason in found["examples"][0]["reasons"]:
        assert reason in done.stdout
    assert "mean contribution to the margin: " in done.stdout
    assert "<h2>Explanations</h2>" in (tmp_path / "page" / PAGE_FILE).read_text()


def test_a_bundle_that_cannot_be_explained_says_what_to_do(trained, tmp_path):
    write_small_bundle(tmp_path, covers=False)
    done = run(evaluate, tmp_path / "conversion" / "1", trained[0] / "later.jsonl", "--format", "presage", "--explain")

    assert done.exit_code == 2
    assert "the bundle has no explain.npz" in done.stderr
    assert "train or export the model again" in done.stderr


def test_a_bundle_is_measured_on_another_log(trained, tmp_path):
    bundle = trained[0] / "runs" / "first" / "models" / "xgboost-classifier" / "1"
    done = run(
        evaluate, bundle, trained[0] / "later.jsonl", "--format", "presage", "--draws", 100, "--to", tmp_path / "page"
    )
    results = json.loads((tmp_path / "page" / RESULTS_FILE).read_text())

    assert (done.exit_code, done.stderr) == (0, "")
    model = results["models"][-1]
    assert model["metrics"]["roc_auc"]["low"] > 0.55
    assert model["threshold"] == json.loads((bundle / "manifest.json").read_text())["data"]["threshold"]
    assert "xgboost-classifier/1" in done.stdout
    assert (tmp_path / "page" / PAGE_FILE).exists()


def test_a_bundle_is_measured_beside_the_baselines_of_training(trained, tmp_path):
    bundle = trained[0] / "runs" / "first" / "models" / "xgboost-classifier" / "1"
    arguments = ("--format", "presage", "--draws", 100, "--to", tmp_path / "page")
    done = run(evaluate, bundle, trained[0] / "later.jsonl", *arguments)
    results = json.loads((tmp_path / "page" / RESULTS_FILE).read_text())
    *baselines, model = results["models"]
    skills = {baseline["kind"]: baseline["metrics"]["roc_auc"] for baseline in baselines}

    assert list(skills) == ["prevalence", "single-feature", "rfm-rule"]
    assert model["kind"] == "xgboost-classifier/1"
    assert results["baseline"] == max(skills, key=lambda kind: skills[kind]["value"]) != "prevalence"
    best = skills[results["baseline"]]
    assert best["low"] < best["value"] < best["high"]
    lead = model["ahead"]
    assert lead["value"] == pytest.approx(model["metrics"]["roc_auc"]["value"] - best["value"])
    assert lead["low"] < lead["value"] < lead["high"]
    remark = (
        f"xgboost-classifier/1 has a ROC-AUC of {model['metrics']['roc_auc']['value']:.3f} "
        f"({model['metrics']['roc_auc']['low']:.3f} to {model['metrics']['roc_auc']['high']:.3f}), {lead['value']:+.3f} "
        f"({lead['low']:+.3f} to {lead['high']:+.3f}) against {results['baseline']}, the best baseline."
    )
    assert results["remarks"][0] == remark
    assert f"above {results['baseline']}" in done.stdout
    assert f" on {results['data']['parts']['all']['rows']:,} rows of " in done.stdout
    assert remark in done.stdout
    assert "fitted on these very rows" in results["data"]["split"]
    assert "threshold of the model&#x27;s training" in (tmp_path / "page" / PAGE_FILE).read_text()


@pytest.mark.slow
def test_a_lead_within_chance_is_remarked(trained, tmp_path):
    """A bundle of a single feature can lead that feature by chance only."""
    folder = tmp_path / "runs"
    arguments = ("--format", "presage", "--models", "single-feature", "--draws", 100, "--to", folder)
    run(train, trained[0] / "log.jsonl", *arguments)
    done = run(
        evaluate, folder / "models" / "single-feature" / "1", trained[0] / "later.jsonl", "--format", "presage",
        "--draws", 100,
    )  # fmt: skip

    assert (done.exit_code, done.stderr) == (0, "")
    assert "That interval holds 0: these rows do not show that the model is better than" in done.stdout


def test_amounts_are_measured_beside_their_mean(trained, tmp_path):
    folder = tmp_path / "runs"
    arguments = ("--format", "presage", "--draws", 100)
    run(
        train, trained[0] / "log.jsonl", *arguments, "--to", folder, "--models", "mean", "--target", "revenue-within:3",
        "--decisions", "every-nth:5",
    )  # fmt: skip
    done = run(evaluate, folder / "models" / "mean" / "1", trained[0] / "later.jsonl", *arguments)

    assert (done.exit_code, done.stderr) == (0, "")
    assert "mean, baseline" in done.stdout
    assert "mean/1 has an R2 of" in done.stdout
    assert "these rows do not show that the model is better than mean" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{tmp}/none", "{log}", "--format", "presage"), "{tmp}/none: holds no bundle; name a folder NAME/VERSION"),
        (("{bundle}", "{tmp}/none.jsonl", "--format", "presage"), "none.jsonl: No such file"),
        (("{bundle}", "{log}"), "{log}: expected either --format or --mapping"),
        (("{bundle}", "{log}", "--format", "presage", "--target", "revenue-within:3"), "does not predict revenue-within:3"),
        (("{bundle}", "{log}", "--format", "presage", "--target", "fame"), "target: expected one of"),
        (("{bundle}", "{log}", "--format", "presage", "--decisions", "never"), "decision points: expected one of"),
        (("{bundle}", "{empty}", "--format", "presage"), "{empty}: the log holds no event: name another log"),
        (("{bundle}", "{log}", "--format", "presage", "--to", "{empty}/run"), "{empty}/run: Not a directory; name a place"),
        (("{bundle}", "{log}", "--format", "presage", "--to", "{empty}", "--force"), "{empty}: is there, and no folder"),
        (("{bundle}", "{log}x", "--format", "rees46"), "{log}x: No such file"),
        (("{bundle}", "{log}", "--format", "presage", "--to", "{tmp}"), "{tmp} is there already; give --force"),
    ],
)  # fmt: skip
def test_what_cannot_be_evaluated_is_said_in_one_line(trained, tmp_path, arguments, message):
    names = {
        "tmp": tmp_path,
        "log": trained[0] / "log.jsonl",
        "empty": tmp_path / "empty.jsonl",
        "bundle": trained[0] / "runs" / "first" / "models" / "xgboost-classifier" / "1",
    }
    write_presage_log(tmp_path / "empty.jsonl", [])
    done = run(evaluate, *(argument.format(**names) for argument in arguments))

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("presage evaluate: ")
    assert message.format(**names) in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{log}", "--format", "presage", "--models", "forest"), "models: 'forest': expected, for purchase-in-session"),
        (("{log}", "--format", "presage", "--features", "many"), "feature set: expected one of"),
        (("{log}", "--format", "presage", "--features", "frequency,fame"), "feature set: 'fame' is not in the catalogue"),
        (("{log}", "--format", "presage", "--features", "recency_days,frequencies"), "is 'frequency' meant?"),
        (("{unreadable}", "--format", "presage"), "; the reader skipped 2 rows: unreadable line: "),
        (("{log}", "--format", "presage", "--time-zone", "Moon"), "time_zone: expected an IANA name"),
        (("{log}", "--format", "rees46"), "log.jsonl"),
        (("{log}",), "expected either --format or --mapping"),
        (("{log}", "--format", "presage", "--target", "purchase-within:300"), "{log}: all"),
        (("{log}", "--format", "presage", "--days", "9"), "--days: only valid with --simulate; remove it"),
        (("--features", "core"), "expected either a log or --simulate; give one of them"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_said_in_one_line(trained, tmp_path, arguments, message):
    names = {"log": trained[0] / "log.jsonl", "unreadable": trained[0] / "unreadable.jsonl"}
    names["unreadable"].write_text("\x1b[31mred\nblue\n")
    done = run(train, *(argument.format(**names) for argument in arguments), "--to", tmp_path / "run")

    assert "\x1b" not in done.stderr

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("presage train: ")
    assert message.format(**names) in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", ["file/run", "file"])
def test_a_place_that_cannot_be_written_is_found_out_before_the_log_is_read(trained, tmp_path, folder):
    (tmp_path / "file").write_text("precious")
    done = run(train, trained[0] / "no such log", "--format", "presage", "--to", tmp_path / folder, "--force")

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"presage train: {tmp_path / folder}: ")
    assert done.stderr.endswith("; name a place that can be read or written\n")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


def test_rows_that_the_reader_skipped_are_listed_at_the_end(trained, tmp_path):
    log, bundle = tmp_path / "shop.jsonl", trained[0] / "runs" / "first" / "models" / "xgboost-classifier" / "1"
    lines = (trained[0] / "log.jsonl").read_text().splitlines()
    lines[1] = lines[1].replace("{", '{"amout": 3, ', 1)
    log.write_text("\n".join([*lines, "no JSON"]))
    done = run(evaluate, bundle, log, "--format", "presage", "--draws", 100)

    assert (done.exit_code, done.stderr) == (0, "")
    assert "skipped by the reader, 1 times: unreadable line: JSON is malformed: " in done.stdout
    unknown = "unknown key 'amout', ignored, first on line 2; is 'value' meant?"
    assert f"skipped by the reader, 1 times: {unknown}\n" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment", ["presage_training.experiment.runs.export_fitted", "presage_training.report.writing.render_page"]
)
def test_ctrl_c_leaves_nothing_half_written(trained, tmp_path, monkeypatch, moment):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(moment, interrupted)
    arguments = (*trained[2][:-1], tmp_path / "runs" / "second")
    done = run(train, trained[0] / "log.jsonl", *arguments)

    assert done.exit_code == 130
    assert not list(tmp_path.iterdir())


def test_a_run_that_is_there_stays_unless_forced(trained):
    folder, _, arguments = trained
    done = run(train, folder / "log.jsonl", *arguments)

    assert done.exit_code == 2
    assert "is there already; give --force to replace it, or name another folder" in done.stderr
