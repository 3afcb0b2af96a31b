from __future__ import annotations

import json
from dataclasses import asdict
from xml.etree import ElementTree as ET

import pytest

from benchmarks.charts.__main__ import main
from benchmarks.charts.plots import UnknownFileError, latency_plot, read_figures, soak_plot
from benchmarks.peers.peer import Task
from benchmarks.peers.report import Row
from benchmarks.rig.figures import Figure
from benchmarks.soak.samples import Sample

SVG = "{http://www.w3.org/2000/svg}"
IN_FLIGHT = (1, 4, 16)


def figures(server, *, scenario="score", micros=100.0):
    """What ``benchmarks.wire`` and ``benchmarks.limit`` write."""
    return [
        asdict(
            Figure(
                server=server,
                scenario=scenario,
                in_flight=number,
                per_second=number**0.5 * 1e6 / micros,
                p50_us=number**0.5 * micros,
                p99_us=number * micros,
                p999_us=2 * number * micros,
                server_cpu_us=micros / 2,
                store_cpu_us=1.0,
                generator_cpu_us=1.0,
                errors=0,
                spread=0.1,
                rate=0.0,
                rounds=[],
            )
        )
        for number in IN_FLIGHT
    ]


def peers(*rows):
    """What ``benchmarks.peers`` writes."""
    return {"rows": [asdict(row) for row in rows]}


def row(peer, task=Task.SCORE, variant=""):
    return Row(
        task=task,
        peer=peer,
        variant=variant,
        in_flight=1,
        per_second=500.0,
        p50_us=2_000.0,
        p99_us=4_000.0,
        server_cpu_us=900.0,
        errors=0,
        rounds=5,
        spread=0.1,
    )


def samples(*, errors=0):
    """What ``benchmarks.soak`` writes."""
    return [
        asdict(
            Sample(
                minutes=place / 6,
                per_second=5_000.0,
                p50_us=200.0,
                p99_us=500.0,
                p999_us=900.0 + place,
                errors=errors,
                resident_bytes=100_000_000 + place,
                descriptors=20,
                threads=5,
            )
        )
        for place in range(1, 13)
    ]


def texts(svg):
    return [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "figures.json"
        path.write_text(json.dumps(content))
        return path

    return write


def test_figures_of_score_are_read(file):
    assert read_figures(file(figures("native") + figures("native", scenario="track"))) == figures("native")


def test_rows_of_peers_are_read_as_figures(file):
    first, second = read_figures(file(peers(row("one"), row("one", task=Task.VECTOR), row("two", variant="cached"))))

    assert (first["server"], first["in_flight"], first["per_second"]) == ("one", 1, 500.0)
    assert (first["p50_us"], first["p99_us"]) == (2_000.0, 4_000.0)
    assert second["server"] == "two, cached"


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        3,
        {"rows": [{}]},
        {"rows": []},
        [{"server": "native"}],
        [{"scenario": "score"}],
        figures("a", scenario="track"),
    ],
)
def test_a_file_that_no_benchmark_wrote_is_an_error(content, file, capsys, tmp_path):
    path = file(content)
    with pytest.raises(UnknownFileError):
        read_figures(path)

    assert main([str(path), "--to", str(tmp_path / "images")]) == 2
    assert capsys.readouterr().err.startswith(f"charts: {path}: expected ")
    assert not (tmp_path / "images").exists()


def test_each_server_is_named_in_both_panels():
    named = texts(latency_plot(figures("native") + figures("C++ echo", micros=20.0) + figures("peer", micros=900.0)))

    for name in ("Presage, native", "C++ echo", "peer"):
        assert named.count(name) == 2


@pytest.mark.parametrize("name", ["native", "presage_native", "Presage native"])
def test_presage_has_one_name_and_its_later_figures_count(name):
    svg = latency_plot([*figures("native"), *figures(name, micros=300.0)])

    assert texts(svg).count("Presage, native") == 2
    assert svg == latency_plot(figures(name, micros=300.0))


def test_only_limits_are_dashed():
    svg = latency_plot(figures("native") + figures("C++ echo", micros=20.0) + figures("peer", micros=900.0))
    dashes = [line.get("stroke-dasharray") for line in ET.fromstring(svg).iter(f"{SVG}polyline")]

    assert sum(dash is not None for dash in dashes) == 2


def test_many_servers_look_different():
    svg = latency_plot([one for place in range(15) for one in figures(f"peer {place}", micros=100.0 + place)])
    looks = [(line.get("stroke"), line.get("stroke-dasharray")) for line in ET.fromstring(svg).iter(f"{SVG}polyline")]

    assert len(set(looks)) == 15


def test_a_soak_shows_latencies_memory_and_errors():
    svg = soak_plot(samples(errors=2))

    assert {"p99.9", "p50", "resident", "errors", "100 MB"} <= set(texts(svg))
    assert len(list(ET.fromstring(svg).iter(f"{SVG}polyline"))) == 4
    assert "A soak: 2 minutes at 5,000 calls a second" in texts(svg)


def test_files_of_every_kind_become_two_plots(tmp_path, capsys):
    contents = {"wire": figures("native"), "peers": peers(row("another")), "soak": samples()}
    paths = [tmp_path / f"{name}.json" for name in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        path.write_text(json.dumps(content))

    assert main([*map(str, paths), "--to", str(tmp_path / "images")]) == 0
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["latency.svg", "soak.svg"]
    assert {"Presage, native", "another"} <= set(texts((tmp_path / "images" / "latency.svg").read_text()))
    assert capsys.readouterr().out.count("\n") == 2
