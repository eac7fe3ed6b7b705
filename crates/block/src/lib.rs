//! The Parquet block: schema, write, read, inspect.
