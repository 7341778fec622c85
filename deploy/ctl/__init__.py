"""mortarboardctl: what operators do to a broker and a database, `python -m deploy.ctl --help`."""
