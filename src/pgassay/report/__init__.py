"""Reports: each a pure function of what was found."""
