"""Opening a study: everything needed to continue it is in it."""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import optuna
from optuna.study import Study

from lrtool._check import one_of, require
from lrtool.errors import ArgumentError, FileFormatError, UnsupportedError
from lrtool.result import RangeTestResult
from lrtool.search.bases import BaseLike, check_base, plain_sampler
from lrtool.search.pruners import PRUNERS, make_pruner
from lrtool.search.sampler import PriorSampler
from lrtool.search.space import LR, MOMENTUM, Space
from lrtool.search.storage import Home

__all__ = ["Definition", "OpenStudy", "load_definition", "open_study"]

SPACE = "lrtool:space"
RANGE_TEST = "lrtool:range_test"
PLAIN = "lrtool:plain"
SETTINGS = "lrtool:settings"
VERSIONS = "lrtool:versions"
_CHANGEABLE = {"n_trials"}
_UNNAMED = "(an object handed in)"


@dataclass(frozen=True)
class Definition:
    """What a study searches, measured once.

    Args:
        space: parameters and priors.
        range_test: the measurement behind them; None when there was none.
        plain: whether nothing is known, so that the base sampler searches unaided.
    """

    space: Space
    range_test: RangeTestResult | None = None
    plain: bool = False


@dataclass(frozen=True)
class OpenStudy:
    """A study ready to run, new or continued.

    Args:
        study: Optuna's, with our sampler and pruner.
        definition: what it searches.
        settings: as stored: monitor, mode, n_trials, seed, sampler, pruner, ...
        home: storage and locks.
    """

    study: Study
    definition: Definition
    settings: Mapping[str, Any]
    home: Home


def open_study(
    home: Home,
    study_name: str,
    *,
    define: Callable[[], Definition],
    settings: Mapping[str, Any],
    defaults: Mapping[str, Any],
    sampler: BaseLike | None = None,
    pruner: "str | optuna.pruners.BasePruner | None" = None,
) -> OpenStudy:
    """Create the study, or continue it with all it was created with.

    The first worker measures and stores the definition under the study's mutex; the others wait for
    it, so there is one range test a study.

    Args:
        home: storage and locks.
        study_name: its name.
        define: makes the definition; called by the study's creator only.
        settings: what the caller wants. None means "as stored", or the default.
        defaults: what None means for a study that is made now.
        sampler: base sampler; None as stored, or "pibo".
        pruner: None as stored, or none.

    Raises:
        ArgumentError: when a setting contradicts the stored one.
        FileFormatError: when the study exists and is not lrtool's.
        UnsupportedError: when the study has several objectives.
    """
    mode = settings.get("mode") or defaults.get("mode") or "min"
    one_of("mode", mode, ("min", "max"))
    if isinstance(sampler, str):
        check_base(sampler)
    if isinstance(pruner, str):
        one_of("pruner", pruner, PRUNERS)
    wanted = {
        **settings,
        "sampler": _named(sampler),
        "pruner": _named(pruner),
    }
    with home.locks.mutex():
        study = optuna.create_study(
            storage=home.storage,
            study_name=study_name,
            load_if_exists=True,
            direction="minimize" if mode == "min" else "maximize",
            pruner=optuna.pruners.NopPruner(),
        )
        if len(study.directions) > 1:
            raise UnsupportedError(
                f"study {study_name!r} must have one objective, got {len(study.directions)}: "
                "pruning and a single best schedule need one number; combine them into one metric"
            )
        stored = study.user_attrs.get(SETTINGS)
        if stored is None:
            _refuse_foreign(study)
            stored = _create(study, wanted, defaults, define())
        else:
            stored = _settled(study, stored, wanted)
    definition = load_definition(study)
    study.sampler = _sampler(sampler, stored, definition)
    study.pruner = make_pruner(pruner if pruner is not None else stored["pruner"], stored)
    return OpenStudy(study, definition, stored, home)


def _sampler(
    sampler: BaseLike | None, stored: Mapping[str, Any], definition: Definition
) -> optuna.samplers.BaseSampler:
    base = sampler if sampler is not None else stored["sampler"]
    base = "pibo" if base == _UNNAMED else base
    if definition.plain:
        return plain_sampler(base, stored["seed"])
    return PriorSampler(
        definition.space.priors,
        base,
        seed=stored["seed"],
        pick=definition.space.start(),
        explore=LR,
        sensitive=(LR, MOMENTUM),
    )


def load_definition(study: Study) -> Definition:
    """Read what a study searches from the study.

    Raises:
        FileFormatError: when it is not one of lrtool's.
    """
    attrs = study.user_attrs
    if SPACE not in attrs:
        raise FileFormatError(
            f"study {study.study_name!r} must be made by lrtool, but it holds no search space"
        )
    result = attrs.get(RANGE_TEST)
    return Definition(
        Space.from_dict(attrs[SPACE]),
        None if result is None else RangeTestResult.from_dict(result),
        bool(attrs.get(PLAIN, False)),
    )


def _create(
    study: Study, wanted: Mapping[str, Any], defaults: Mapping[str, Any], definition: Definition
) -> dict[str, Any]:
    settings = {
        name: defaults.get(name) if value is None else value for name, value in wanted.items()
    }
    settings["sampler"] = settings["sampler"] or "pibo"
    settings["pruner"] = settings["pruner"] or "none"
    study.set_user_attr(SPACE, definition.space.to_dict())
    result = definition.range_test
    study.set_user_attr(RANGE_TEST, None if result is None else result.to_dict())
    study.set_user_attr(PLAIN, definition.plain)
    study.set_user_attr(VERSIONS, _versions())
    study.set_user_attr(SETTINGS, settings)  # last: its presence says that all of it is there
    return settings


def _settled(study: Study, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    settled = dict(stored)
    for name, value in wanted.items():
        if value is None or value == stored.get(name):
            continue
        if name not in _CHANGEABLE:
            raise ArgumentError(
                f"{name} must stay what study {study.study_name!r} was made with "
                f"({stored.get(name)!r}), got {value!r}; give that to continue the study, or "
                "another study_name to start a new one"
            )
        settled[name] = value
    if settled != stored:
        study.set_user_attr(SETTINGS, settled)
    return settled


def _refuse_foreign(study: Study) -> None:
    if study.get_trials(deepcopy=False):
        raise FileFormatError(
            f"study {study.study_name!r} must be new or made by lrtool, but it holds trials and no "
            "lrtool settings; give another study_name"
        )


def _named(thing: object) -> str | None:
    if thing is None or isinstance(thing, str):
        return thing
    require(not isinstance(thing, bool | int | float), "a name or an object", got=thing)
    return _UNNAMED


def _versions() -> dict[str, str]:
    packages = ("lrtool", "optuna", "torch", "pytorch-lightning", "lightning", "numpy")
    found = {package: version(package) for package in packages if _installed(package)}
    return {"python": platform.python_version(), **found}


def _installed(package: str) -> bool:
    return find_spec(package.replace("-", "_")) is not None
