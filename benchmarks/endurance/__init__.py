"""How much a training loses when machines, people and disks do their worst: nothing, counted.

    python -m benchmarks.endurance [--kills 50] [--flips 100] [--signals 30] [--steps 2000]

Trainings of the smoke profile, in processes of their own: killed at random moments of training,
validating and saving; with one bit of what they saved flipped; stopped by signals; on a full disk;
two in one directory; and one that is long, whose memory and open files are watched. The counts are
in benchmarks/results/endurance.json and endurance.md. Last, the cost of a validation and of a
checkpoint at the demo profile.
"""
