"""The import names of the original MLaaS4HEP, for scripts that drive its generator, reader or trainer.

The classes here do exactly what mlaas.compat does, the original's defects included. New code takes mlaas.Loader and
mlaas.train instead.
"""
