"""zoo against what users would pick instead: training, upscaling and scoring in the same run.

`packages` finds the peers. Training: `tasks` says what is trained, `lightning_loop`,
`accelerate_loop` and `basicsr_loop` are the peers, `train` holds their weights against zoo's and
times them. `upscale` and `score` have the ways of the others. `page` writes the tables.
"""
