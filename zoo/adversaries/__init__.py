"""Adversaries: adversarial objectives, each with the losses of both networks."""

BUILTINS = {
    "hinge": "zoo.adversaries.hinge:Hinge",
    "lsgan": "zoo.adversaries.lsgan:LeastSquares",
    "none": "zoo.adversaries.none:NoAdversary",
    "r1-r2": "zoo.adversaries.zero_centred:ZeroCentred",
    "relativistic": "zoo.adversaries.relativistic:RelativisticAverage",
    "vanilla": "zoo.adversaries.vanilla:Vanilla",
    "wgan": "zoo.adversaries.clipping:WassersteinClipped",
    "wgan-gp": "zoo.adversaries.wasserstein:WassersteinGP",
}
