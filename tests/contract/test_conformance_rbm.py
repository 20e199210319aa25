"""The restricted Boltzmann machine agrees with scikit-learn's on the same weights."""

import numpy as np
import pytest
import torch
from sklearn.neural_network import BernoulliRBM

from reference_impl.energy.restricted_boltzmann_machine import RBM
from reference_impl.tasks import make


@pytest.fixture
def pair():
    """scikit-learn's machine, trained for a moment, and ours with its weights, in float64."""
    x = make("bits").splits["train"][0].double()
    theirs = BernoulliRBM(n_components=32, n_iter=3, random_state=0).fit(x.numpy())
    ours = RBM(RBM.Config(visible=64, hidden=32)).double()
    with torch.no_grad():
        ours.W.copy_(torch.from_numpy(theirs.components_.T))
        ours.b.copy_(torch.from_numpy(theirs.intercept_visible_))
        ours.c.copy_(torch.from_numpy(theirs.intercept_hidden_))
    return ours, theirs, x


def test_free_energy_is_that_of_scikit_learn(pair):
    ours, theirs, x = pair
    np.testing.assert_allclose(ours.energy(x).detach().numpy(), theirs._free_energy(x.numpy()), atol=1e-5, rtol=0)


def test_hidden_probabilities_are_those_of_scikit_learn(pair):
    ours, theirs, x = pair
    np.testing.assert_allclose(ours.encode(x).detach().numpy(), theirs.transform(x.numpy()), atol=1e-6, rtol=0)
