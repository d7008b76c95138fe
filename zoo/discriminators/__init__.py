"""Discriminators: the networks an adversary trains against the generator.

Internal.
"""

BUILTINS = {"vgg": "zoo.discriminators.vgg:VGGDiscriminator"}
