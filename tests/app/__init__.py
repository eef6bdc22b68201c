"""What a person touches, without a screen where that is possible."""
