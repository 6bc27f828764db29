"""What is shipped or given beside a survey: registries of published numbers."""
