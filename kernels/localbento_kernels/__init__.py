"""Compiled kernels: arrays and plain integers in, arrays out; they know nothing of machines or proofs.

Importing the package decides where compiled code is kept (`localbento_kernels.cache`), before any kernel is
compiled.  Backends are modules with the same names and signatures; there is one so far, `cpu`.
"""

from localbento_kernels import cache

cache.install()
