"""Desks that are wrong on purpose, each in one way (to come)."""


def install(name):
    raise KeyError(name)


def prepare(name, connection):
    raise KeyError(name)
