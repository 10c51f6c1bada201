"""Faults to plant in the Jobs system, each with the test of behaviour that must notice it."""
