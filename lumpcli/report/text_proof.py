"""What a certificate proves, in words: no more than was checked."""

from __future__ import annotations

from lumpcli.report.layout import PLAIN, Look, labelled, plural, printable
from lumpcli.report.text import verify_text
from lumpcli.results import Proof

_BESIDES = "numpy, the ONNX parser, lumpcli's reading of the graph and its arithmetic"


def proof_text(proof: Proof, look: Look = PLAIN) -> str:
    """What was proved, and on what that rests; or which step was refused, and why."""
    if proof.status == "refused":
        lines = [labelled(look, "refused", printable(proof.reason), "red")]
        if proof.layer:
            lines.append(labelled(look, "step", printable(proof.layer)))
        if proof.tensor:
            lines.append(labelled(look, "tensor", printable(proof.tensor)))
        return "\n".join(lines)
    lines = [labelled(look, "proved", _promise(proof), "green")]
    went = f"{plural(proof.features, 'feature')} of {plural(proof.layers, 'layer')} went"
    derived = f"{plural(proof.facts, 'fact')} derived from their rows"
    lines.append(labelled(look, "", f"{went}; {derived}"))
    lines.append(labelled(look, "", "all else is equal, but for shapes noted of inner tensors"))
    if proof.irrational:
        told = plural(proof.irrational, "irrational constant")
        lines.append(labelled(look, "", f"{told} taken to float64, which is rounding too"))
    if proof.freeze_initializers:
        told = "initializers that are graph inputs are taken for constants"
        lines.append(labelled(look, "provided", told))
    inputs = "every input in the box of the certificate" if proof.box else "every finite input"
    lines.append(labelled(look, "for", f"{inputs}, as long as nothing overflows"))
    besides = f"{_BESIDES}, and its bounds" if proof.box else _BESIDES
    lines.append(labelled(look, "trusted", besides))
    if proof.verdict is not None:
        lines.append(verify_text(proof.verdict, look))
    return "\n".join(lines)


def _promise(proof: Proof) -> str:
    folded = plural(proof.folded, "folded weight")
    if proof.level == "rounding":
        return (
            "within rounding, which is not equality: B is the exact reduction of some network "
            "whose weights lie within the stored precision of A's; "
            f"{proof.rounded:,} of {folded} rounded"
        )
    if proof.level == "strict":
        return f"equal as real functions; {folded}, none rounded"
    once = f"once in each of {proof.steps} steps" if proof.steps > 1 else "once each"
    rounded = f"{proof.rounded:,} of {folded} rounded, {once}"
    step = ", each step to the one before" if proof.steps > 1 else ""
    return (
        f"equal as real functions{step} up to that rounding: {rounded}"
        if proof.rounded or proof.irrational
        else (f"equal as real functions; {folded}, none needed rounding")
    )
