"""Compiled kernels: arrays and plain integers in, arrays out; they know nothing of machines or proofs.

Importing the package decides where compiled code is kept (`localbento_kernels.cache`), before any kernel is
compiled.  Backends are modules with the same names and signatures; there is one so far, `cpu`.
"""

import gc

# PERF: the compiler's import makes a hundred thousand objects that stay; looking through them for garbage, again and
# again, is a tenth of its time.
_collecting = gc.isenabled()
gc.disable()
try:
    from localbento_kernels import cache
finally:
    if _collecting:
        gc.enable()

cache.install()
