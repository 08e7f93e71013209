"""The program that builds a conda environment in a job of its own: a lock in, an environment out.

It runs in a container, with the packages of ``program.py`` on its path: standard library and
py-rattler, Python 3.10 and later. Whatever it stores is stored by its content, and the manifest
last: it may be killed at any moment, and any number of builders may build one environment at once.
"""
