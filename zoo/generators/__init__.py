"""Generators: networks from a low-resolution image to a super-resolved one, one family a file."""

BUILTINS = {
    "bicubic": "zoo.generators.bicubic:Bicubic",
    "rrdb": "zoo.generators.rrdb:RRDBNet",
    "srresnet": "zoo.generators.srresnet:SRResNet",
}
