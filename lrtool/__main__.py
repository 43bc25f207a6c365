"""`python -m lrtool` is `lrtool`."""

import sys

from lrtool.cli import main

if __name__ == "__main__":
    sys.exit(main())
