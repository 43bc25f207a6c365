"""TARGETs for the command line, good and bad, as source to write into a file."""

GOOD = """
from support.tiny import TinyModel, tiny_loader

def make():
    return TinyModel, (tiny_loader(), tiny_loader(16))

def not_a_pair():
    return TinyModel()

def no_data():
    return TinyModel, None

def empty_data():
    return TinyModel, []

def raises():
    raise ValueError("no such\\nfile")

def not_a_module():
    return dict, tiny_loader()

A_NUMBER = 3
"""

BROKEN = "import nothing_of_that_name\n"
