"""The local rules a certificate is checked by. They search for nothing."""

from lumpcli.proofs.book import CONSTANT, Book, Fact, Refused, Row, between, meet, require
from lumpcli.proofs.cutting import check_lost, check_numbers, reached, used
from lumpcli.proofs.features import features
from lumpcli.proofs.folding import check_fold
from lumpcli.proofs.linear import check_linear
from lumpcli.proofs.rows import columns_of, folded_rows
from lumpcli.proofs.taking import Taken, record, take
from lumpcli.proofs.within import within

__all__ = [
    "CONSTANT",
    "Book",
    "Fact",
    "Refused",
    "Row",
    "Taken",
    "between",
    "check_fold",
    "check_linear",
    "check_lost",
    "check_numbers",
    "columns_of",
    "features",
    "folded_rows",
    "meet",
    "reached",
    "record",
    "require",
    "take",
    "used",
    "within",
]
