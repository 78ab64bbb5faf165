"""What the command line does, from Python: a study that runs, results that are read, a model."""
