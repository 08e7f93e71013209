"""Conda environments: what the user's files say → which packages → where a job finds them.

Modules named in ``program.MODULES`` also run in the job that builds environments: Python 3.10, the
standard library and py-rattler only. No YAML is read there: what travels is JSON.
"""
