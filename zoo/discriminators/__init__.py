"""Discriminators: the networks an adversary trains against the generator."""

BUILTINS = {"vgg": "zoo.discriminators.vgg:VGGDiscriminator"}
