"""Study folders: records, and reading them from TOML."""
