"""Attention over sequences: queries, keys and values in heads, and what follows in a block."""

from __future__ import annotations

from dataclasses import replace

from tests.graphs import channelwise as each
from tests.graphs.blocks import on_a
from tests.graphs.pen import Pen
from tests.graphs.sketch import Sketch
from tests.graphs.spec import Step, Tensor

WIDEST = 8


@on_a(lambda t: t.layout == "last" and len(t.spatial) == 1 and t.width <= WIDEST)
def self_attention(sketch: Sketch, x: Tensor) -> Tensor:
    """Attention, and often a feed-forward; both added to the stream where it is a layer."""
    y = _attended(sketch, x)
    y = _back(sketch, y, x)
    if sketch.chance(0.5):
        inner = each.activate(sketch, sketch.dense(y, width=sketch.between(2, 5)))
        y = _back(sketch, inner, y)
    return y


def _back(sketch: Sketch, y: Tensor, stream: Tensor) -> Tensor:
    """A projection that is added to the stream; alone where that is an input."""
    if not stream.makers:
        return sketch.dense(y)
    return each.merged(sketch, "add", stream, sketch.dense(y, like=stream))


def _attended(sketch: Sketch, x: Tensor) -> Tensor:
    heads = sketch.between(1, 3)
    size, own = sketch.between(1, 3), sketch.between(1, 3)
    query = _role(sketch, sketch.dense(x, width=heads * size, blocks=(size,) * heads), "query")
    for freedom in query.makers:
        freedom.aligned = True
    key = _role(sketch, sketch.dense(x, like=query), "key")
    value = sketch.dense(x, width=heads * own, blocks=(own,) * heads)
    sketch.restrict(value)
    name = sketch.name("a")
    settings = {
        "heads": heads,
        "scaled": sketch.pick(["mul", "div", "query", "none"]),
        "plain": heads == 1 and sketch.chance(0.5),
        "form": sketch.pick(["zero", "sizes", "free"]),
    }
    sources = (query.name, key.name, value.name)
    step = Step("attend", sources, (name,), {}, settings, exact=False)
    return sketch.record(step, replace(value, name=name, shifts=frozenset()))


def _role(sketch: Sketch, made: Tensor, role: str) -> Tensor:
    """Tell planting that the features of the last step are summed over in products."""
    step = sketch.steps[-1]
    sketch.steps[-1] = replace(step, settings={**step.settings, "role": role})
    return made


# --- writing


def attend(pen: Pen, step: Step) -> None:
    """Softmax(Q K) V, as exporters write it."""
    s, y = step.settings, step.output
    query, key, value = step.sources
    if s["scaled"] == "query":
        query = pen.node("Mul", [query, pen.number(f"{y}.scale", 0.25)], f"{y}.scaled")
    last = 2 if s["plain"] else 3
    q, k, v = (_apart(pen, step, n) for n in (query, key, value))
    k = _turned(pen, k, f"{y}.keys", [0, 2, 1] if s["plain"] else [0, 2, 3, 1])
    if not s["plain"]:
        q, v = (_turned(pen, n, f"{n}.turned", [0, 2, 1, 3]) for n in (q, v))
    z = pen.node("MatMul", [q, k], f"{y}.scores")
    if s["scaled"] in ("mul", "div"):
        operator, number = {"mul": ("Mul", 0.25), "div": ("Div", 4.0)}[s["scaled"]]
        z = pen.node(operator, [z, pen.number(f"{y}.scale", number)], f"{y}.scaled")
    z = pen.node("Softmax", [z], f"{y}.weights", axis=last if pen.opset < 13 else -1)
    if s["plain"]:
        pen.node("MatMul", [z, v], y)
        return
    z = pen.node("MatMul", [z, v], f"{y}.heads")
    z = _turned(pen, z, f"{y}.back", [0, 2, 1, 3])
    made = pen.tensor(y)
    pen.node("Reshape", [z, pen.whole(f"{y}.shape", _shape(pen, s["form"], made.width))], y)


def _apart(pen: Pen, step: Step, name: str) -> str:
    """(N, T, heads * n) as (N, T, heads, n)."""
    if step.settings["plain"]:
        return name
    heads, y = step.settings["heads"], f"{step.output}.{name}"
    source = step.sources[0] if name not in step.sources else name  # a scaled query
    shape = _shape(pen, step.settings["form"], heads, pen.tensor(source).width // heads)
    return pen.node("Reshape", [name, pen.whole(f"{y}.shape", shape)], f"{y}.apart")


def _shape(pen: Pen, form: str, *rest: int) -> list[int]:
    """Batch and places as they are, then the rest; "free": -1 for the last size."""
    if form == "free":
        return [0, 0, *rest[:-1], -1]
    return [0 if form == "zero" else pen.graph.batch or -1, 0, *rest]


def _turned(pen: Pen, name: str, output: str, perm: list[int]) -> str:
    return pen.node("Transpose", [name], output, perm=perm)
