"""Checking a notebook before it is handed in: what students ask of their own work, on their own machine or in CI."""
