"""What a clip goes through on its way into the store: one file a filter, one interface."""
