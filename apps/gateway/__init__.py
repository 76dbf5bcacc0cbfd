"""The HTTP contract: who asks, what they may ask, and how the answer is written."""
