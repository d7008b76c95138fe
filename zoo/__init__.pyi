from zoo.adversaries.base import Adversary as Adversary
from zoo.api import create as create
from zoo.api import list as list  # noqa: A004  called as `zoo.list`
from zoo.api import load as load
from zoo.degradations.base import Degradation as Degradation
from zoo.discriminators.base import Discriminator as Discriminator
from zoo.errors import ZooError as ZooError
from zoo.generators.base import Generator as Generator
from zoo.losses.base import Loss as Loss
from zoo.metrics.base import Metric as Metric
from zoo.pretrained import Model as Model
from zoo.registry import register_adversary as register_adversary
from zoo.registry import register_degradation as register_degradation
from zoo.registry import register_discriminator as register_discriminator
from zoo.registry import register_generator as register_generator
from zoo.registry import register_loss as register_loss
from zoo.registry import register_metric as register_metric
from zoo.sweep.api import bench as bench
from zoo.train.api import train as train
from zoo.train.run import Run as Run
from zoo.upscaling.api import upscale as upscale

__version__: str
