"""Encoding models for NWB recordings, from raw files to a cross-validated comparison."""

__version__ = "0.1.0"
