"""The interviews by phone: who was reached, whether they answer alike, what the gap would be."""
