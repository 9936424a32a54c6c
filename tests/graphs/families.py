"""Which structures a family of graphs is made of, and how a core graph is drawn."""

from __future__ import annotations

import zlib

import numpy as np

from tests.graphs import blocks as b
from tests.graphs import blocks_more as m
from tests.graphs import channelwise, shaping
from tests.graphs.blocks import Block
from tests.graphs.heads import self_attention
from tests.graphs.sketch import Sketch
from tests.graphs.spec import Graph, Rng, Tensor

OPSETS = (9, 11, 13, 18, 21)

_IMAGE: dict[str, tuple[Block, ...]] = {
    "conv": (b.conv, b.conv, b.linear_pair, b.activated),
    "residual": (b.residual, b.residual, b.skip, b.conv, b.activated),
    "grouped": (b.grouped, b.grouped, b.conv),
    "depthwise": (b.depthwise, b.mobile, b.conv),
    "pool": (b.pooled, b.reduced, b.conv),
    "pad": (b.enlarged, b.enlarged, b.conv, b.residual),
    "transposed": (b.transposed, b.transposed, b.conv),
    "norm": (b.per_channel, b.per_channel, b.conv, b.residual),
    "concat": (b.inception, b.inception, b.conv),
    "split": (b.forked, b.forked, b.conv),
    "gather": (b.picked, b.conv, b.conv),
    "gate": (m.squeeze_excite, m.attention, b.conv),
    "flatten": (m.flattened, m.dense, m.squeezed, m.lifted, m.turned, b.conv, b.pooled),
}
_OTHER: dict[str, tuple[Block, ...]] = {
    "generate": (m.generator, m.generator, m.dense, b.conv),
    "dense": (m.dense, m.dense, m.dense_residual, m.dense_concat, b.skip, b.activated),
    "sequence": (m.projected, m.mixer, m.mixer, m.concat_last, b.per_channel, b.reduced, b.skip),
}
MENU = {**_IMAGE, **_OTHER}
MENU["mixed"] = tuple(dict.fromkeys(block for menu in MENU.values() for block in menu))
MENU["attention"] = (self_attention, self_attention, m.projected, m.mixer)
ROUND = tuple(MENU)  # the families that seeds take in turns
_ROUND = (*ROUND, *("mixed",) * 7)
MENU["extra"] = (b.picked_more, b.averaged, b.conv, b.conv)  # only when asked for
FAMILIES = tuple(MENU)


def family_of(seed: int) -> str:
    """The family of a seed when none is asked for."""
    return _ROUND[seed % len(_ROUND)]


def source_of(seed: int, purpose: str) -> Rng:
    """Random numbers for one purpose, so that one can change and leave the others alone."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])


def draw(seed: int, family: str) -> Graph:
    """A random core graph."""
    rng = source_of(seed, family)
    opset, batch = int(rng.choice(OPSETS)), (None if rng.random() < 0.6 else 2)
    sketch = Sketch(rng, opset, batch, smooth=bool(rng.random() < 0.3))
    _begin(sketch, family)
    menu, wanted, built = MENU[family], sketch.between(1, 5), 0
    for _ in range(4 * wanted):
        built += sketch.pick(menu)(sketch)
        if built == wanted:
            break
    _finish(sketch)
    return sketch.graph(family)


def _begin(sketch: Sketch, family: str) -> None:
    """Inputs, and a first layer."""
    if family == "dense" or (family in ("generate", "mixed") and sketch.chance(0.5)):
        x = sketch.input(sketch.between(1, 6), (), "flat")
    elif family in ("sequence", "attention"):
        length, width = sketch.between(1, 4), sketch.between(2, 5)
        if sketch.chance(0.6):
            x = sketch.embedded(length, width)
        else:
            x = sketch.input(width, (length,), "last")
    else:
        rank = int(sketch.rng.choice([1, 2, 3], p=[0.25, 0.65, 0.1]))
        largest = {1: 8, 2: 5, 3: 3}[rank]
        sizes = [sketch.between(2, largest) for _ in range(rank)]
        if sketch.chance(0.4):
            sizes = [4 if rank < 3 else 2] * rank
        x = sketch.input(sketch.between(1, 4), tuple(sizes))
    b.keep(sketch, x)
    if x.makers or sketch.chance(0.1):
        return
    start = {"flat": m.dense, "last": m.projected}.get(x.layout, b.conv)
    start(sketch)


def _finish(sketch: Sketch) -> None:
    """What nobody reads is read by heads, or is an output itself."""
    read = {name for step in sketch.steps for name in step.sources}
    loose = [t for t in sketch.pool if t.name not in read and t.name not in sketch.outputs]
    loose = list({t.name: t for t in loose}.values())
    if not loose:
        loose = [sketch.pool[-1]]
    heads = []
    for tensor in loose:
        if tensor.makers and sketch.chance(0.1):
            sketch.output(tensor)
        else:
            heads.append(_head(sketch, tensor))
    vectors = [h for h in heads if h.is_vector]
    if len(vectors) > 1 and len({v.width for v in vectors}) == 1 and sketch.chance(0.5):
        heads = [h for h in heads if not h.is_vector]
        for vector in vectors:
            sketch.fix(vector)
        heads.append(channelwise.merged(sketch, "add", *_alike(sketch, vectors[:2])))
        heads += vectors[2:]
    for head in heads:
        sketch.output(head)
    hidden = [t for t in sketch.pool if t.makers and t.name not in sketch.outputs]
    if hidden and sketch.chance(0.08):
        sketch.output(sketch.pick(hidden))


def _alike(sketch: Sketch, tensors: list[Tensor]) -> list[Tensor]:
    """Tensors that will not be planted in have the same channels, which are the core's."""
    for tensor in tensors:
        sketch.restrict(tensor, "one")
    return tensors


def _head(sketch: Sketch, tensor: Tensor) -> Tensor:
    """A layer that reads a tensor, of a few outputs."""
    width = sketch.between(1, 3)
    if tensor.is_image and (sketch.chance(0.3) or tensor.width * tensor.positions > 2 * m.LONGEST):
        return sketch.conv(tensor, width=width)
    if tensor.is_image:
        if tensor.makers and sketch.chance(0.4):
            tensor = shaping.gathered_whole(sketch, tensor, "GlobalMaxPool")
        tensor = shaping.flattened(sketch, tensor)
    elif tensor.layout == "first":
        tensor = shaping.flattened(sketch, tensor)
    return sketch.dense(tensor, width=width)
