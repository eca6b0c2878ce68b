"""Many prompts and seeds through one workflow, on every GPU there is: `python run.py batch --help`."""
