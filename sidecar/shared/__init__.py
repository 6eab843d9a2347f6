"""What several machines share beside the database: a Valkey or Redis, which may be gone at any time."""
