"""Diagnoses: said when true, silent when not, with the numbers."""

import numpy as np
import pytest

from lrtool.diagnosis import frozen_parameters, gradient_explosion, input_scale


@pytest.mark.parametrize("std", [0.2, 1.0, 5.0])
def test_inputs_of_about_unit_scale_get_no_word(std: float) -> None:
    assert input_scale(np.zeros(4), np.full(4, std)) == ()


def test_the_farthest_feature_is_named_with_its_measured_numbers() -> None:
    (said,) = input_scale(np.array([0.0, 500.0, 0.0]), np.array([1.0, 20.0, 0.05]), ["a", "b", "c"])
    assert "2 of 3" in said
    assert "b with mean 500 and std 20" in said
    assert "standardize" in said


def test_a_constant_zero_feature_is_not_far_from_anything() -> None:
    assert input_scale(np.zeros(2), np.array([1.0, 0.0])) == ()


def test_parameters_without_gradient_are_named_and_frozen_ones_are_not() -> None:
    trainable = {"a": True, "b": True, "c": False}
    (said,) = frozen_parameters({"a": 0.5, "b": 0.0, "c": 0.0}, trainable)
    assert "1 of 2" in said
    assert "(b)" in said
    assert frozen_parameters({"a": 0.5, "b": 0.1}, trainable) == ()
    assert "2 of 2" in frozen_parameters({}, trainable)[0]


def test_an_exploding_gradient_is_said_only_when_it_comes_before_the_loss() -> None:
    lr = np.geomspace(1e-4, 1, 40)
    loss, norm = np.ones(40), np.ones(40)
    norm[30:] = 1e4
    (said,) = gradient_explosion(lr, loss, norm)
    assert f"{lr[30]:.3g}" in said
    for at in (28, 30):  # before it, or with it
        assert gradient_explosion(lr, np.where(np.arange(40) < at, 1.0, 50.0), norm) == ()


@pytest.mark.parametrize(("times", "said"), [(90, 0), (110, 1)])
def test_a_gradient_explodes_above_a_hundred_times_its_usual_norm(times: float, said: int) -> None:
    norm = np.where(np.arange(40) < 30, 2.0, 2.0 * times)
    assert len(gradient_explosion(np.geomspace(1e-4, 1, 40), np.ones(40), norm)) == said


def test_a_passing_spike_of_the_gradient_is_no_explosion() -> None:
    norm = np.ones(40)
    norm[20] = 1e6
    assert gradient_explosion(np.geomspace(1e-4, 1, 40), np.ones(40), norm) == ()


def test_a_gradient_that_grows_while_the_loss_still_falls_is_learning() -> None:
    """The way out of a plateau: the norm rises a thousandfold, and the loss comes down."""
    lr = np.geomspace(1e-4, 1, 40)
    loss, norm = np.ones(40), np.geomspace(1, 1e6, 40)
    loss[25:35] = np.linspace(0.9, 0.1, 10)
    loss[35:] = 10.0
    assert gradient_explosion(lr, loss, norm) == ()
    assert len(gradient_explosion(lr, np.where(loss < 1, 1.0, loss), norm)) == 1
