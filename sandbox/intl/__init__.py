"""What scripts have of ECMA-402 (``Intl``, ``toLocaleString``, ``localeCompare``): its JavaScript, the languages' data,
and the system's time zones, in one text that all workers share and read only where a script asks."""
