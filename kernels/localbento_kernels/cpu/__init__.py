"""The kernels for processors: explicit vectors of sixteen lanes, which LLVM splits for the machine at hand."""
