"""The verbs of `intentflow`, one a file: ``add_arguments(parser)`` and ``run(arguments)``."""
