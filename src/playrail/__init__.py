"""Playrail: guard rails for the plays an assistant runs."""
