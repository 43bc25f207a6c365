"""A page in which everything that can come from a user is nasty."""

from functools import cache

import optuna

from lrtool import schedules
from lrtool.report import (
    Section,
    environment_section,
    page,
    range_test_section,
    schedule_section,
    search_section,
    table_section,
    training_section,
)
from lrtool.result import RangeTestResult
from support.results import NASTY, a_result, a_suggestion

__all__ = ["a_study", "everything", "nasty_page"]


def a_study(name: str = "a study", trials: int = 10) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name=name, sampler=optuna.samplers.RandomSampler(seed=0))

    def value(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("max_lr", 1e-4, 1.0, log=True)
        trial.suggest_categorical("other", [NASTY, "b"])
        return abs(rate - 0.01)

    study.optimize(value, n_trials=trials)
    return study


def everything() -> list[Section]:
    """A page in which everything that can come from a user is nasty."""
    result = RangeTestResult(
        a_result().curve, a_suggestion(NASTY), {NASTY: NASTY}, not_restored=(NASTY,),
        diagnosis=(NASTY,),
    )  # fmt: skip
    return [
        range_test_section(result, title=NASTY),
        schedule_section(schedules.one_cycle(max_lr=0.1, total_steps=100), title=NASTY),
        training_section(
            {NASTY: [(0, 1.0), (1, 0.5)]},
            metric=NASTY,
            header=(NASTY,),
            rows=[(NASTY,)],
            note=NASTY,
        ),
        search_section({NASTY: a_study()}, metric=NASTY, importance={NASTY: 1.0}, note=NASTY),
        table_section(NASTY, (NASTY,), [(NASTY,)], note=NASTY),
        environment_section(seed=0, commands=[NASTY]),
    ]


@cache
def nasty_page() -> str:
    """The page itself, drawn once."""
    return page(NASTY, everything(), lead=NASTY)
