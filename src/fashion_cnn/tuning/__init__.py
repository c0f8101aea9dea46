"""Searches, by Optuna: for the values of a recipe with which it does best."""
