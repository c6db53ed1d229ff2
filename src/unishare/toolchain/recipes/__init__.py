"""What libraries, apps and languages are made of: TOML files, read and checked."""
