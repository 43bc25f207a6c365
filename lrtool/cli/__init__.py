"""The command line: `lrtool demo | range-test | schedule | tune | report | optimizers`.

Exit codes: 0 done; 1 the model's own code raised (its traceback is shown); 2 bad input, said in
one line: rule, value, remedy; 130 interrupted, by Ctrl-C or SIGTERM.
"""

from lrtool.cli.main import main

__all__ = ["main"]
