"""Shots of many keys: the sheet, its timing, its takes and what judges them."""
