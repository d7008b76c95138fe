"""zoo: a plugin-based benchmark and model zoo for single-image super-resolution GANs."""
