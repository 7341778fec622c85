"""`mortarboardctl`: what operators do to a running installation, from settings in the environment."""
