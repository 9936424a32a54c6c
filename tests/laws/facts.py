"""What every feature is (docs/theory.md, section 1), worked out the slow and plain way.

Values are written as exact linear combinations of atoms: at most one class that varies with the
input, and constants: 1, and irrational numbers by name. Two features are in one class when the
combinations they apply the same function to are equal up to what that function allows.

A value of which the sign is known passes a ReLU as a multiple of itself.

Deliberate limits: no linear forms (a row over two classes is one of itself), and a feature has one
carrier.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from tests.laws.functions import FUNCTIONS, Function, leaky
from tests.laws.spec import Layer, Network

Atom = Hashable  # an int: a class that varies; anything else: a constant
Value = dict[Atom, Fraction]
Ends = tuple[Fraction | None, Fraction | None]  # None: there is none
ONE: Atom = ("one",)
LEAKY = FUNCTIONS["leaky"]
_STEP = Fraction(1, 1 << 20)


def varying(value: Value) -> Value:
    """The part of a combination that depends on the input."""
    return {a: c for a, c in value.items() if isinstance(a, int)}


def constant(value: Value) -> Value:
    """The part that does not."""
    return {a: c for a, c in value.items() if not isinstance(a, int)}


def combine(parts: Iterable[tuple[Fraction, Value]]) -> Value:
    """The sum of multiples of combinations."""
    total: Value = {}
    for factor, value in parts:
        for atom, coefficient in value.items():
            total[atom] = total.get(atom, Fraction(0)) + factor * coefficient
    return {a: c for a, c in total.items() if c}


def times(factor: Fraction, value: Value) -> Value:
    """A multiple of a combination."""
    return {a: factor * c for a, c in value.items() if factor}


def frozen(value: Value) -> frozenset[tuple[Atom, Fraction]]:
    """A combination as a key."""
    return frozenset(value.items())


def normal_form(function: Function, slope: float | None) -> tuple[Hashable, Function]:
    """A name equal for equal functions, and the function: slope 0 is ReLU, 1 identity, -1 Abs."""
    if function.operator in ("LeakyRelu", "PRelu"):
        slope = dict(function.attributes).get("alpha", slope)
        special = {0.0: "relu", 1.0: "identity", -1.0: "abs"}
        if slope in special:
            return special[slope], FUNCTIONS[special[slope]]
        return ("leaky", slope), LEAKY
    if function.operator == "Max":
        return "relu", function
    if function.operator in ("Relu", "Abs", "Identity"):
        return function.operator.lower(), function
    return (function.operator, function.attributes), function


def scales(ratio: str, lead: Fraction) -> tuple[Fraction, Fraction]:
    """What to divide a row by that begins with `lead`, and the ratio of values that comes of it."""
    sign = Fraction(1 if lead > 0 else -1)
    return {
        "linear": (lead, lead),
        "positive": (abs(lead), abs(lead)),
        "absolute": (lead, abs(lead)),
        "sign": (lead, sign),
        "odd": (sign, sign),
        "even": (sign, Fraction(1)),
        "point": (sign, sign),
        "one": (Fraction(1), Fraction(1)),
    }[ratio]


@dataclass
class Facts:
    """What every feature of every layer is; `classes` numbers the classes over the network."""

    network: Network
    signs: bool = True  # whether values known to be never negative pass a ReLU
    values: dict[str, list[Value]] = field(default_factory=dict)
    classes: dict[Hashable, int] = field(default_factory=dict)
    sizes: dict[Hashable, Fraction] = field(default_factory=dict)  # of irrational constants
    ends: dict[Atom, Ends] = field(default_factory=dict)  # between which an atom lies

    def __post_init__(self) -> None:
        for layer in self.network.layers:
            self.values[layer.name] = [self._feature(layer, i) for i in range(layer.width)]

    def number(self, key: Hashable, ends: Ends = (None, None)) -> int:
        """The class of all values described by one key."""
        label = self.classes.setdefault(key, len(self.classes))
        self.ends.setdefault(label, ends)
        return label

    def between(self, value: Value) -> Ends:
        """The ends between which a combination lies."""
        low: Fraction | None = Fraction(0)
        high: Fraction | None = Fraction(0)
        for atom, c in value.items():
            ends = (Fraction(1), Fraction(1)) if atom == ONE else self.ends.get(atom, (None, None))
            least, most = ends if c > 0 else ends[::-1]
            low = None if low is None or least is None else low + c * least
            high = None if high is None or most is None else high + c * most
        return low, high

    def _feature(self, layer: Layer, i: int) -> Value:
        if layer.kind == "input":
            return {self.number(("input", layer.name, i)): Fraction(1)}
        if layer.kind == "product":
            return self._product(*(self.values[s][i] for s in layer.sources))
        parts = [(Fraction(float(layer.biases[i])), {ONE: Fraction(1)})]
        parts += [(f, self.values[s][j]) for s, j, f in reads(layer, i)]
        slope = None if layer.slopes is None else float(layer.slopes[i])
        key, function = normal_form(layer.function, slope)
        return self._apply(key, function, slope, combine(parts))

    def _apply(self, key: Hashable, function: Function, slope: float | None, z: Value) -> Value:
        moving = varying(z)
        if not moving:
            return self._constant(key, function, slope, z)
        low, high = self.between(z) if self.signs else (None, None)
        below = {"relu": Fraction(0), "abs": Fraction(-1)}.get(key)
        if function is LEAKY:
            below = leaky(slope if slope is not None else 0.5)(Fraction(-1)) * -1
        if below is not None and low is not None and low >= 0:
            return self._linear(z)
        if below is not None and high is not None and high <= 0:
            return times(below, self._linear(z)) if below else {}
        if function.ratio == "linear":
            return self._linear(z)
        lead = moving[min(a for a in moving if isinstance(a, int))]
        divisor, ratio = scales(function.ratio, lead)
        own = times(1 / divisor, z)
        ends = function.between(*self.between(own), slope)
        mirrored = {ONE: Fraction(1)} if function.ratio == "point" and lead < 0 else {}
        return {self.number((key, frozen(own)), ends): ratio, **mirrored}

    def _linear(self, z: Value) -> Value:
        """A combination as a multiple of one class, and constants."""
        moving = varying(z)
        if len(moving) == 1:
            return z
        lead = moving[min(a for a in moving if isinstance(a, int))]
        own = times(1 / lead, moving)
        return {self.number(("identity", frozen(own)), self.between(own)): lead, **constant(z)}

    def _constant(self, key: Hashable, function: Function, slope: float | None, z: Value) -> Value:
        """The value at a constant: rational where it is, else on the piece of the line it lies on.

        Else a constant of its own, of which only the size is known.
        """
        exact = leaky(slope) if slope is not None and function is LEAKY else function.exact
        argument = self.near(z)
        if set(z) <= {ONE}:
            argument = z.get(ONE, Fraction(0))
            if exact is not None:
                return times(exact(argument), {ONE: Fraction(1)})
            if not argument and function.at_zero is not None:
                return times(function.at_zero, {ONE: Fraction(1)})
        if exact is not None and function.pieces:
            tilt = (exact(argument + _STEP) - exact(argument)) / _STEP
            return combine(
                [(tilt, z), (exact(argument) - tilt * argument, {ONE: Fraction(1)})],
            )
        sign = Fraction(-1 if argument < 0 and function.ratio in ("odd", "even") else 1)
        name = (key, frozen(times(sign, z)))
        argument = sign * argument
        if function.near is not None:
            self.sizes[name] = Fraction(function.near(float(argument)))
        elif exact is not None:
            self.sizes[name] = exact(argument)
        self.ends[name] = function.between(None, None, slope)
        return {name: sign if function.ratio == "odd" else Fraction(1)}

    def near(self, value: Value) -> Fraction:
        """A constant, to about float64."""
        return sum((c * (self.sizes[a] if a != ONE else 1) for a, c in value.items()), Fraction(0))

    def _product(self, a: Value, b: Value) -> Value:
        for one, other in ((a, b), (b, a)):
            if set(one) <= {ONE}:
                return times(one.get(ONE, Fraction(0)), other)
        if not varying(a) and not varying(b):
            name = ("product", frozenset((frozen(a), frozen(b))))
            self.sizes[name] = self.near(a) * self.near(b)
            return {name: Fraction(1)}
        scale = Fraction(1)
        factors = []
        for value in (a, b):
            ratio = next(iter((varying(value) or value).values()))
            scale *= ratio
            factors.append(frozen(times(1 / ratio, value)))
        return {self.number(("product", tuple(sorted(factors, key=hash)))): scale}


def reads(layer: Layer, i: int) -> list[tuple[str, int, Fraction]]:
    """What feature i of a layer reads: (source, feature, non-zero factor)."""
    if layer.kind == "dense":
        row = layer.matrix[i]
        return [(layer.sources[0], int(j), Fraction(float(row[j]))) for j in row.nonzero()[0]]
    if layer.kind == "sum":
        return [(s, i, Fraction(f)) for s, f in zip(layer.sources, layer.signs, strict=True)]
    factor = Fraction(float(layer.matrix[i])) if layer.kind == "scale" else Fraction(1)
    return [(s, i, factor) for s in layer.sources if factor]


def storable(network: Network) -> bool:
    """Whether every class has a member of which all others are dyadic multiples: then nothing
    needs rounding when the columns of the class move to that member."""
    facts = Facts(network)
    for layer in network.layers:
        ratios: dict[Atom, list[Fraction]] = {}
        locked = any(r.kind == "dense" and not r.place for r in network.readers(layer.name))
        for value in facts.values[layer.name]:
            for label, ratio in (varying(value) or (value if locked else {})).items():
                ratios.setdefault(label, []).append(ratio)
        for members in ratios.values():
            if not any(all(_dyadic(r / carrier) for r in members) for carrier in set(members)):
                return False
    return True


def _dyadic(number: Fraction) -> bool:
    return number.denominator.bit_count() == 1
