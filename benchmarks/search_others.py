"""Searches of other libraries, given the same prior; imported by `search.py` when asked for.

pip install smac                                            # in an environment of its own
python benchmarks/search.py --half report --methods "tpe;random;ours;smac" --seeds 5
"""

import time
from collections.abc import Callable, Mapping
from tempfile import TemporaryDirectory
from typing import Any

from lrtool.search.prior import Prior

__all__ = ["smac_pibo"]

# SMAC's defaults (1000 and 10) take 6 to 9 seconds a trial.
_CHALLENGERS, _LOCAL_SEARCHES = 300, 3


def smac_pibo(
    priors: Mapping[str, Prior],
    pick: Mapping[str, float],
    value_of: Callable[[dict[str, Any]], float],
    trials: int,
    seed: int,
) -> tuple[list[float], float]:
    """SMAC3's Gaussian process with its πBO, on our coordinates: values, and seconds a trial.

    Each prior becomes a normal one of the same centre and scale on the same bounds; the measured
    pick is the first trial, as it is ours; beta is SMAC's recommendation, trials / 10.
    """
    from ConfigSpace import Configuration, ConfigurationSpace, NormalFloatHyperparameter
    from smac import BlackBoxFacade, Scenario
    from smac.acquisition.function import EI, PriorAcquisitionFunction
    from smac.runhistory.dataclasses import TrialValue

    space = ConfigurationSpace(seed=seed)
    for name, prior in priors.items():
        assert prior.center is not None
        low, high, center = prior.x(prior.low), prior.x(prior.high), prior.x(prior.center)
        space.add(NormalFloatHyperparameter(name, center, prior.scale, low, high))
    values, spent = [], 0.0
    with TemporaryDirectory() as folder:
        scenario = Scenario(
            space, n_trials=trials, seed=seed, deterministic=True, output_directory=folder
        )
        start = {name: priors[name].x(value) for name, value in pick.items()}
        search = BlackBoxFacade(
            scenario,
            lambda config, seed=0: 0.0,
            initial_design=BlackBoxFacade.get_initial_design(
                scenario, n_configs=0, additional_configs=[Configuration(space, start)]
            ),
            acquisition_function=PriorAcquisitionFunction(EI(), decay_beta=trials / 10),
            acquisition_maximizer=BlackBoxFacade.get_acquisition_maximizer(
                scenario, challengers=_CHALLENGERS, local_search_iterations=_LOCAL_SEARCHES
            ),
            logging_level=False,
            overwrite=True,
        )
        for _ in range(trials):
            started = time.perf_counter()
            info = search.ask()
            spent += time.perf_counter() - started
            value = value_of({name: priors[name].value(x) for name, x in dict(info.config).items()})
            values.append(value)
            search.tell(info, TrialValue(cost=value))
    return values, spent / trials
