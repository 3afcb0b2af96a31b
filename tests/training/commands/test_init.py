from __future__ import annotations

import tomllib
from functools import partial

import pytest
from redis import Redis
from training.commands.running import run_here
from training.logs import shop

from presage_featurizer.custom import read_custom_features
from presage_training.project.project import Project, log_source
from presage_training.project.scaffold import FILES
from presage_training.readers import LogFormat, SkippedRows, load_mapping, read_events, write_presage_log
from support.archives import archive_once, log_event

EVENTS = shop(visitors=40)


@pytest.fixture
def init(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    return partial(run_here, monkeypatch, capsys, "init")


def write_csv(path):
    lines = ["customer;when;what;article"]
    lines += [
        f"{event.user_id};{event.event_time_unix_micros // 1_000};{event.type.name.lower()};"
        f"{event.items[0].item_id if event.items else ''}"
        for event in EVENTS
    ]
    path.write_text("\n".join(lines) + "\n")


def test_a_project_has_features_that_work_with_any_log(init, tmp_path):
    done = init("my-shop")

    assert (done.code, done.err) == (0, "")
    assert {path.name for path in (tmp_path / "my-shop").iterdir()} == set(FILES)
    own = read_custom_features(tmp_path / "my-shop")
    assert own.feature_set.name == "my-shop"
    assert list(own.catalogue) == ["dear_views", "categories_viewed", "hours_since_cart", "dear_view_share"]
    assert Project.read(tmp_path / "my-shop").training["target"] == "purchase-in-session"


def test_the_examples_in_the_comments_are_valid(init, tmp_path):
    init("shop")
    path = tmp_path / "shop" / "features.toml"
    examples = [line[2:] for line in path.read_text().splitlines() if line.startswith("# ") and "aggregate =" in line]
    path.write_text(path.read_text() + "\n" + "\n".join(examples) + "\n")

    assert len(read_custom_features(path.parent).catalogue) == 4 + len(examples)
    assert len(examples) >= 7


def test_with_a_log_the_mapping_is_proposed(init, tmp_path):
    write_csv(tmp_path / "log.csv")
    done = init("shop", "--log", "log.csv")
    mapping = load_mapping(tmp_path / "shop" / "mapping.toml")
    events = list(read_events(tmp_path / "log.csv", mapping, skipped=SkippedRows()))

    assert (done.code, done.err) == (0, "")
    assert {event.user_id for event in events} == {event.user_id for event in EVENTS}
    assert done.out.splitlines()[-2:] == [
        "next: presage train log.csv --project shop --to runs/first --bundle models/shop/1",
        "next: presage serve --project shop --models models --default-model shop",
    ]
    readme = (tmp_path / "shop" / "README.md").read_text()
    assert all(line.removeprefix("next: ") in readme for line in done.out.splitlines() if line.startswith("next: "))


@pytest.mark.parametrize(
    ("log", "question"),
    [
        ("time,user,event\n3,ann,view\n2,ann,view\n1,ann,view\n", {"target": "purchase-in-session", "sort": True}),
        (
            "time,user,event\n1,ann,order\n2,bob,order\n3,ann,order\n",
            {"target": "purchase-within:30", "decisions": "at:PURCHASE"},
        ),
    ],
)
def test_the_question_fits_the_log(init, tmp_path, log, question):
    numbers = {str(number): str(1_714_521_600 + 60 * number) for number in range(10)}
    lines = [",".join(numbers.get(cell, cell) for cell in line.split(",")) for line in log.splitlines()]
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    done = init("shop", "--log", "log.csv")

    assert (done.code, done.err) == (0, "")
    assert Project.read(tmp_path / "shop").training.items() >= question.items()
    assert ("sort" in question) == ("sort" in Project.read(tmp_path / "shop").training)


def test_a_log_without_a_needed_column_says_so(init, tmp_path):
    (tmp_path / "log.csv").write_text("customer,article\nann,1\nbob,2\n")
    done = init("shop", "--log", "log.csv")

    assert done.code == 1
    assert "no column was found for event_time" in done.out
    assert (tmp_path / "shop" / "features.toml").exists()


def test_files_that_exist_are_kept(init, tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "features.toml").write_text("mine")
    done = init("shop")

    assert done.code == 0
    assert "kept shop/features.toml, which was there already" in done.out
    assert (tmp_path / "shop" / "features.toml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("file",), "presage init: file: File exists; name a place that can be written"),
        (("shop", "--log", "none.csv"), "presage init: none.csv: No such file or directory"),
    ],
)
def test_what_cannot_be_read_or_written_is_said_in_one_line(init, tmp_path, arguments, message):
    (tmp_path / "file").touch()
    done = init(*arguments)

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(message)
    assert done.err.count("\n") == 1
    assert not (tmp_path / "shop").exists()


def test_a_project_may_name_the_format_of_its_log(tmp_path, init):
    init("shop")
    project = tmp_path / "shop"
    (project / "training.toml").write_text('format = "presage"')
    write_presage_log(tmp_path / "log.jsonl", EVENTS)

    assert Project.read(project).log_format is LogFormat.PRESAGE


@pytest.mark.parametrize("name", ["log.jsonl", "log.jsonl.gz", "logs"])
def test_a_log_in_presages_own_format_gets_no_mapping(init, tmp_path, name):
    if name == "logs":
        (tmp_path / "logs").mkdir()
        write_presage_log(tmp_path / "logs" / "1.jsonl", EVENTS)
    else:
        write_presage_log(tmp_path / name, EVENTS)
    done = init("shop", "--log", name)
    project = Project.read(tmp_path / "shop")

    assert (done.code, done.err) == (0, "")
    assert log_source(project, None, None) == (LogFormat.PRESAGE, None)
    assert not tomllib.loads((tmp_path / "shop" / "mapping.toml").read_text())
    assert f"{name}: Presage's own format, which needs no mapping: shop/training.toml names its format" in done.out
    assert f"next: presage train {name} --project shop" in done.out


def test_an_archive_gets_no_mapping(init, store, tmp_path, monkeypatch, capsys):
    with Redis.from_url(store.url) as redis:
        for event in EVENTS:
            log_event(redis, event)
    archive_once(store, tmp_path / "archive", max_batch_events=5_000)
    done = init("shop", "--log", "archive")

    assert (done.code, done.err) == (0, "")
    assert log_source(Project.read(tmp_path / "shop"), None, None) == (LogFormat.ARCHIVE, None)
    inspected = run_here(monkeypatch, capsys, "inspect", "archive")
    assert (inspected.code, inspected.err) == (0, "")
    assert inspected.out.startswith("archive: an archive, which needs no mapping")


def test_a_training_file_that_is_kept_has_to_name_the_format(init, tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "training.toml").write_text("")
    write_presage_log(tmp_path / "log.jsonl", EVENTS)

    assert 'needs no mapping: add format = "presage" to shop/training.toml' in init("shop", "--log", "log.jsonl").out
