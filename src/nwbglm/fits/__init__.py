"""Stores of features to stores of fits (`model`), and what is made of those: rates (`predict`), spikes (`generate`)."""
