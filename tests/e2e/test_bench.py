"""The benchmark's parts: what it plants is found, its watch is right, its tables can be read."""

from __future__ import annotations

import sys
import time

import numpy as np
import onnx
import pytest

import lumpcli
from benchmarks import bench, costs, tables, tools
from benchmarks.costs import Scale
from benchmarks.gains import gains
from benchmarks.networks import bytes_of, chain, files_of, images, kept, planted
from benchmarks.stopwatch import MEMORY_KNOWN, Run, alternate, best, measure
from benchmarks.tables import Table

TINY = Scale(
    file=(24, 2),
    widths=(8, 16),
    depths=(2,),
    depth_width=8,
    search=16,
    large=(24, 2),
    gains=(0.5,),
    gain_sizes=(16, 4, 6),
    rounds=1,
    timeout=60.0,
    budget=0.0,
)
PRINT = "print('hello')"


@pytest.mark.parametrize("redundancy", [0.0, 0.5, 0.95])
@pytest.mark.parametrize("external", [False, True])
def test_what_is_planted_in_dense_layers_is_found(tmp_path, redundancy, external):
    path = chain(tmp_path / "in.onnx", [20, 40, 60, 20], redundancy, external=external)
    onnx.checker.check_model(path)
    assert len(list(files_of(path))) == 1 + external
    (tmp_path / "out").mkdir()
    result = lumpcli.reduce(path, tmp_path / "out" / "in.onnx")
    rows = [kept(width, redundancy) for width in (40, 60)]
    assert [layer.features.after for layer in result.layers] == [*rows, 20]
    assert result.verdict is None if not redundancy else result.verdict.status == "equal"
    assert bytes_of(tmp_path / "out" / "in.onnx") == result.file_bytes.after


def test_what_is_planted_in_convolutions_is_found(tmp_path):
    path = images(tmp_path / "in.onnx", [3, 8, 8], 6, 0.5)
    onnx.checker.check_model(path)
    result = lumpcli.reduce(path, tmp_path / "out.onnx")
    assert [layer.features.after for layer in result.layers] == [4, 4, 10]
    assert result.verdict.status == "equal"


def test_rows_are_multiples_by_powers_of_two():
    weight, bias = planted(np.random.default_rng(0), (10, 3, 2), 0.8)
    rows = np.concatenate([weight.reshape(10, -1), bias[:, None]], axis=1)
    assert len({tuple(row / np.abs(row).max()) for row in rows}) == 2


def python(code):
    return [sys.executable, "-c", code]


def test_the_watch(tmp_path):
    code = "import time; x = bytearray(60_000_000); time.sleep(0.3); print(7)"
    run = measure(python(code), 60, tmp_path)
    assert (run.out, run.failure) == ("7\n", None)
    assert 0.3 < run.seconds < 30
    if MEMORY_KNOWN:
        assert 60e6 < run.anon < 90e6
        assert 60e6 < run.rss < 120e6
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
    run = measure(python(child), 60, tmp_path)
    if MEMORY_KNOWN:
        assert 60e6 < run.anon < 120e6


@pytest.mark.skipif(not MEMORY_KNOWN, reason="looks into /proc")
def test_a_process_about_to_become_another_is_not_counted_twice(tmp_path):
    code = (
        "import os, time; x = bytearray(60_000_000); pid = os.fork()\n"
        "time.sleep(0.3)\n"
        "if pid: os.wait()\n"
    )
    assert 60e6 < measure(python(code), 60, tmp_path).anon < 100e6


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("import nothing_of_that_name", "not installed"),
        ("raise ValueError('no')", "ValueError"),
        ("raise SystemExit(3)", "exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
        ("import sys; print('odd: no', file=sys.stderr); sys.exit(1)", "odd"),
    ],
)
def test_failures_in_a_word(tmp_path, code, word):
    assert measure(python(code), 60, tmp_path).failure == word


def test_time_is_limited(tmp_path):
    started = time.monotonic()
    assert measure(python("import time; time.sleep(60)"), 1, tmp_path).failure == "> 1 s"
    assert time.monotonic() - started < 30


def test_turns(tmp_path):
    commands = {"good": python(PRINT), "bad": python("raise SystemExit(1)")}
    runs = alternate(commands, 3, 60, tmp_path, 60)
    assert [len(runs[name]) for name in commands] == [3, 1]
    assert best(runs["bad"]).failure == "exit code 1"
    assert len(alternate(commands, 3, 60, tmp_path, 0)["good"]) == 1


def test_the_best_run():
    runs = [Run(2.0, 10, 5, "slow", None), Run(1.0, 20, 4, "fast", None)]
    assert best(runs) == Run(1.0, 10, 4, "fast", None)
    assert best([Run(1.0, None, None, "", None)]).rss is None


def test_tables():
    table = Table("Title", "About.", ("what", "s"), [("cat", "1"), ("cp", "12.3")], ["A note."])
    assert table.markdown() == (
        "## Title\n\nAbout.\n\n| what |    s |\n| ---- | ---: |\n| cat  |    1 |\n| cp   | 12.3 |\n"
        "\nA note.\n"
    )
    assert (tables.ratio(1, 3), tables.ratio(100, 3), tables.ratio(1, 0)) == ("0.33", "33", "")
    assert (tables.ratio(None, 3), tables.megabytes(None)) == ("", "")
    assert (tables.seconds(0.01234), tables.seconds(123.4)) == ("0.0123", "123")
    assert "lumpcli" in tables.machine()


def test_sections():
    assert bench.chosen(None, False) == [n for n in bench.SECTIONS if n != "large"]
    assert bench.chosen(None, True) == list(bench.SECTIONS)
    assert bench.chosen(["large"], False) == ["large"]
    for peer in tools.PEERS:
        assert peer in tools.TOOLS


def test_growth_search_and_gains(tmp_path):
    (table,) = costs.width(TINY, tmp_path)
    assert [row[3] for row in table.rows] == [
        *("8 -> 8", "16 -> 16", "8 -> 4", "16 -> 8", "8 -> 1", "16 -> 1")
    ]
    (table,) = costs.search(TINY, tmp_path)
    assert [row[0] for row in table.rows] == ["sum", "search"]
    (table,) = gains(TINY, tmp_path)
    assert all(float(row[-1]) < 1 for row in table.rows)
    assert list(tmp_path.iterdir()) == []


def test_a_whole_run(tmp_path, monkeypatch, capsys):
    """With whatever peers there are; nothing but the results remains."""
    monkeypatch.setattr(bench, "QUICK", TINY)
    models, results = tmp_path / "models", tmp_path / "results.md"
    models.mkdir()
    options = ["--quick", "--only", "files", "--only", "large"]
    assert bench.main([*options, "--folder", str(models), "--output", str(results)]) == 0
    text = results.read_text()
    printed = capsys.readouterr().out
    assert all(line in printed for line in text.splitlines())
    assert text.count("| lumpcli reduce ") == 5 + 5
    for name in (costs.ONNX, costs.REDUCE, "cat", "cp", *tools.PEERS):
        assert f"| {name} " in text
    assert list(models.iterdir()) == []


def test_what_peers_write_does_not_pile_up(tmp_path):
    source = chain(tmp_path / "in.onnx", [20, 40, 20], 0.5, external=True)
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "model.onnx"
    sizes = []
    for _ in range(2):
        tools.load_and_save(str(source), str(target))
        sizes.append(bytes_of(target))
    assert sizes[0] == sizes[1]
