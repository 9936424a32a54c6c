"""The local rules a certificate is checked by. They search for nothing."""

from lumpcli.proofs.book import CONSTANT, Book, Fact, Facts, Refused
from lumpcli.proofs.cutting import check_lost, check_numbers, reached, used
from lumpcli.proofs.rows import Columns, columns_of, multiples, reads_little
from lumpcli.proofs.single import single
from lumpcli.proofs.taking import Taken, merges, record, take
from lumpcli.proofs.within import within

__all__ = [
    "CONSTANT",
    "Book",
    "Columns",
    "Fact",
    "Facts",
    "Refused",
    "Taken",
    "check_lost",
    "check_numbers",
    "columns_of",
    "merges",
    "multiples",
    "reached",
    "reads_little",
    "record",
    "single",
    "take",
    "used",
    "within",
]
