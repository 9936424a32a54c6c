"""A family of networks, one for each slice of a box: the tree of cuts, and the table of files."""

from lumpcli.family.table import (
    TABLE,
    Member,
    Table,
    box_to_dict,
    cut_from_dict,
    cut_to_dict,
    read_table,
    table_json,
)
from lumpcli.family.tree import Cut, Tree

__all__ = [
    "TABLE",
    "Cut",
    "Member",
    "Table",
    "Tree",
    "box_to_dict",
    "cut_from_dict",
    "cut_to_dict",
    "read_table",
    "table_json",
]
