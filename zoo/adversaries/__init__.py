"""Adversaries: adversarial objectives, each with the losses of both networks."""

BUILTINS = {
    "hinge": "zoo.adversaries.hinge:Hinge",
    "lsgan": "zoo.adversaries.lsgan:LeastSquares",
    "none": "zoo.adversaries.none:NoAdversary",
    "relativistic": "zoo.adversaries.relativistic:RelativisticAverage",
    "vanilla": "zoo.adversaries.vanilla:Vanilla",
    "wgan-gp": "zoo.adversaries.wasserstein:WassersteinGP",
}
