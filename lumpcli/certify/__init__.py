"""Certificates: reading them, and checking that they prove what they say."""

from lumpcli.certify.check import Proved, check
from lumpcli.certify.models import hashes

__all__ = ["Proved", "check", "hashes"]
