"""Stand-ins for what a test has no process of, each as strict as the real one."""
