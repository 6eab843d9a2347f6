"""npm modules for scripts: fetched, checked and bundled by the operator's command, and read by who runs scripts.

`store` is the reading side, without network and asyncio; all else is the installer's.
"""
