"""`python -m lumpcli` is the command `lumpcli`."""

import sys

from lumpcli.cli import main

if __name__ == "__main__":
    sys.exit(main())
