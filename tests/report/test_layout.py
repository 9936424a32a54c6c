"""How text is laid out, piece by piece."""

from __future__ import annotations

import pytest

from lumpcli.report.layout import (
    LABEL,
    NARROWEST,
    PLAIN,
    Look,
    Row,
    arrows,
    brief,
    exactly,
    labelled,
    percent,
    plural,
    printable,
    shorten,
    table,
)

COLOR = Look(color=True)


def test_paint_only_when_colours_are_wanted():
    assert PLAIN.paint("x", "red") == "x"
    codes = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33}
    for style, code in codes.items():
        assert COLOR.paint("x", style) == f"\x1b[{code}mx\x1b[0m"
    assert COLOR.paint("", "red") == ""
    with pytest.raises(KeyError):
        COLOR.paint("x", "purple")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain/name:0", "plain/name:0"),
        ("größe ß 名", "größe ß 名"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\u202eb\u2028", "\\u202eb\\u2028"),
        ("", ""),
    ],
)
def test_printable(text, shown):
    assert printable(text) == shown
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("limit", "short"),
    [(10, "abcdefghij"), (11, "abcdefghij"), (9, "abc...hij"), (8, "ab...hij"), (7, "ab...ij")],
)
def test_shorten(limit, short):
    assert shorten("abcdefghij", limit) == short


def test_tables_align_left_and_right():
    rows = [
        Row(("layer", "op", "n")),
        Row(("a", "Gemm", "1,000"), tail="kept"),
        Row(("b", "", "7")),
    ]
    assert table(PLAIN, rows, left=(0, 1)) == [
        "layer  op        n",
        "a      Gemm  1,000  kept",
        "b                7",
    ]
    assert table(PLAIN, rows)[0] == "layer    op      n"


def test_tables_of_ragged_rows():
    rows = [Row(("head", "features")), Row(("a",), tail="kept at 4"), Row(("b", "1"))]
    assert table(PLAIN, rows) == ["head  features", "a     kept at 4", "b            1"]
    assert table(PLAIN, []) == []
    assert table(PLAIN, [Row((), tail="text")]) == ["text"]


def test_rows_are_coloured_as_a_whole():
    rows = [Row(("a", "1"), style="bold"), Row(("b", "22"), "tail", "dim")]
    assert table(COLOR, rows) == ["\x1b[1ma   1\x1b[0m", "\x1b[2mb  22  tail\x1b[0m"]
    assert table(PLAIN, rows) == ["a   1", "b  22  tail"]


def test_names_are_shortened_to_the_terminal():
    name = "abcdefghij" * 5
    rows = [Row((name, "123"))]
    assert table(PLAIN, rows) == [f"{name}  123"]
    (line,) = table(Look(width=30), rows)
    assert (len(line), line[-5:], "..." in line) == (30, "  123", True)
    (line,) = table(Look(width=3), rows)
    assert len(line) == NARROWEST + len("  123")
    assert table(Look(width=55), rows) == [f"{name}  123"]
    assert table(Look(width=200), [Row(("a", "1"))]) == ["a  1"]


def test_only_the_first_column_is_shortened():
    rows = [Row(("n", "a" * 60))]
    assert table(Look(width=20), rows) == [f"n  {'a' * 60}"]


def test_labelled_lines():
    assert labelled(PLAIN, "file", "3 bytes") == "file" + " " * (LABEL - 4) + "3 bytes"
    assert labelled(PLAIN, "", "more") == " " * LABEL + "more"
    assert labelled(PLAIN, "within rounding", "text") == "within rounding  text"
    assert labelled(PLAIN, "a very long label", "text") == "a very long label  text"
    bold, green = labelled(COLOR, "file", "x"), labelled(COLOR, "file", "x", "green")
    assert bold == "\x1b[1mfile\x1b[0m" + " " * (LABEL - 4) + "x"
    assert green == bold.replace("[1m", "[32m")


@pytest.mark.parametrize(
    ("pairs", "lines"),
    [
        ([(130, 42), (9, 9), (1256, 46)], ["  130 -> 42", "    9", "1,256 -> 46"]),
        ([(10, 9), (2000, 1000)], ["   10 ->     9", "2,000 -> 1,000"]),
        ([(10, 9), (20000, 20000)], ["    10 -> 9", "20,000"]),
        ([(5, 5)], ["5"]),
        ([], []),
    ],
)
def test_arrows(pairs, lines):
    assert arrows(pairs) == lines


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (100, 50, "(-50.0 %)"),
        (100, 110, "(+10.0 %)"),
        (1000, 0, "(-100.0 %)"),
        (3, 2, "(-33.3 %)"),
        (2000, 1999, "(-0.1 %)"),
        (100_000, 99_999, "(-<0.1 %)"),
        (100_000, 100_001, "(+<0.1 %)"),
        (7, 7, ""),
        (0, 5, ""),
        (0, 0, ""),
    ],
)
def test_percent(before, after, text):
    assert percent(before, after) == text


def test_plural():
    numbers = [plural(n, "layer") for n in (0, 1, 2, 1200)]
    assert numbers == ["0 layers", "1 layer", "2 layers", "1,200 layers"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (3.14e-7, "3.1e-07"),
        (0.0123, "0.012"),
        (12.0, "12"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_brief(value, text):
    assert brief(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (-2.0, "-2"),
        (-0.0, "0"),
        (-0.5, "-0.5"),
        (0.1, "0.1"),
        (0.30000001192092896, "0.300000012"),
        (-0.6439142598879722, "-0.64391426"),
        (1e14, "100000000000000"),
        (1e15, "1e+15"),
        (1e300, "1e+300"),
        (1e-40, "1e-40"),
        (float("inf"), "inf"),
        (float("-inf"), "-inf"),
        (float("nan"), "nan"),
    ],
)
def test_exactly(value, text):
    assert exactly(value) == text
