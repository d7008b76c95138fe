"""Records: one generator's scores on one suite, how they are found and which can be compared."""
