"""Results as text for people and as JSON for machines; nothing here computes or prints."""

from __future__ import annotations

from lumpcli.report.json import (
    Exceeded,
    Failure,
    error_json,
    proof_json,
    reduce_json,
    slice_json,
    stats_json,
    verify_json,
)
from lumpcli.report.layout import Look, printable
from lumpcli.report.text import reduce_text, verify_text
from lumpcli.report.text_proof import proof_text
from lumpcli.report.text_slice import slice_text
from lumpcli.report.text_stats import stats_line, stats_text

REPORTERS = {
    "text": {
        "reduce": reduce_text,
        "verify": verify_text,
        "proof": proof_text,
        "stats": stats_text,
        "slice": slice_text,
    },
    "json": {
        "reduce": reduce_json,
        "verify": verify_json,
        "proof": proof_json,
        "stats": stats_json,
        "slice": slice_json,
    },
}

__all__ = [
    "REPORTERS",
    "Exceeded",
    "Failure",
    "Look",
    "error_json",
    "printable",
    "proof_json",
    "proof_text",
    "reduce_json",
    "reduce_text",
    "slice_json",
    "slice_text",
    "stats_json",
    "stats_line",
    "stats_text",
    "verify_json",
    "verify_text",
]
