"""Discriminators: the networks an adversary trains against the generator (internal)."""

BUILTINS = {"vgg": "zoo.discriminators.vgg:VGGDiscriminator"}
