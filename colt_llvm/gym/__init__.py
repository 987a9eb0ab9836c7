"""The search of COLT on any CompilerGym or gym environment with a discrete action space and a reward.

Reading order: options, environment (make one by its id), episodes (value a sequence), run (the loop), result.
connection, supervise and launch run the services of other people's environments; gcc is what ``gcc-v0`` needs.
"""
