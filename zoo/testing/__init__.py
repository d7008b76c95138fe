"""Public contracts: what every component must do, as classes a plugin's author subclasses.

    from zoo.testing import GeneratorContract
    from my_net import MyNet

    class TestMyNet(GeneratorContract):
        component = MyNet
        arguments = {"width": 8}

pytest collects the `test_*` methods; they need no pytest themselves: a broken promise is an
`AssertionError` with a sentence, what cannot be checked here is `unittest.SkipTest`. `zoo check`
runs the same methods. Not here: the tests of zoo itself, which use these classes too.
"""

from __future__ import annotations

from zoo.packages import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__)
