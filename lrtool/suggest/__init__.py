"""Suggesters: pure functions from a LossCurve to a Suggestion."""

from lrtool.suggest.suggesters import SUGGESTERS, Suggester, suggest
from lrtool.suggest.suggestion import Suggestion
from lrtool.suggest.table import SuggestionTable, compare

__all__ = ["SUGGESTERS", "Suggester", "Suggestion", "SuggestionTable", "compare", "suggest"]
