"""What is kept in SQL: the engine, the tables, and how they change from release to release."""
