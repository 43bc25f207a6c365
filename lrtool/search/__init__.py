"""The Optuna layer: space, prior, sampler, study."""
