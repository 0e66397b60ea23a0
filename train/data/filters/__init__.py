"""What a clip goes through on its way into the store: one file a kind of filter."""
