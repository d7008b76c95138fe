"""Discriminators: the networks an adversary trains against the generator (internal)."""

BUILTINS = {
    "patchgan": "zoo.discriminators.patchgan:PatchDiscriminator",
    "unet-sn": "zoo.discriminators.unet:UNetDiscriminator",
    "vgg": "zoo.discriminators.vgg:VGGDiscriminator",
    "vgg-sn": "zoo.discriminators.spectral:SpectralVGG",
}
