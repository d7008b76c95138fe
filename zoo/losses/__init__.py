"""Losses: content and perceptual terms of the generator."""

BUILTINS = {
    "l1": "zoo.losses.pixel:L1",
    "mse": "zoo.losses.pixel:MSE",
    "perceptual": "zoo.losses.perceptual:Perceptual",
    "vgg19": "zoo.losses.perceptual:VGG19",
}
