"""Generators: networks from a low-resolution image to a super-resolved one, one family a file."""

BUILTINS = {
    "bicubic": "zoo.generators.bicubic:Bicubic",
    "edsr": "zoo.generators.edsr:EDSR",
    "msrresnet": "zoo.generators.msrresnet:MSRResNet",
    "rrdb": "zoo.generators.rrdb:RRDBNet",
    "spandrel": "zoo.generators.spandrel:SpandrelNetwork",
    "srresnet": "zoo.generators.srresnet:SRResNet",
    "srresnet-tanh": "zoo.generators.srresnet_tanh:TanhSRResNet",
}

REFERENCE = "srresnet"
"""The generator that the cost of others is compared with, at its defaults."""
