"""Two versions side by side: the services of an earlier commit beside those of this one."""
