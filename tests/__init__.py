"""Mirrors the three floors; `oracle` runs programs natively too, `bench` measures."""
