"""What each training is: its options, its loss and its result, one file a recipe."""
