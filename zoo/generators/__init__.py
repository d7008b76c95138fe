"""Generators: networks from a low-resolution image to a super-resolved one, one family a file."""

BUILTINS = {
    "bicubic": "zoo.generators.bicubic:Bicubic",
    "edsr": "zoo.generators.edsr:EDSR",
    "rrdb": "zoo.generators.rrdb:RRDBNet",
    "srresnet": "zoo.generators.srresnet:SRResNet",
}
