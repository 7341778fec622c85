"""Topics and access as files, generated from the contracts: `python -m deploy.topics [--check]`."""
