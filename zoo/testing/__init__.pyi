from zoo.testing.adversaries import AdversaryContract as AdversaryContract
from zoo.testing.degradations import DegradationContract as DegradationContract
from zoo.testing.discriminators import DiscriminatorContract as DiscriminatorContract
from zoo.testing.generators import GeneratorContract as GeneratorContract
from zoo.testing.losses import LossContract as LossContract
from zoo.testing.metrics import MetricContract as MetricContract
