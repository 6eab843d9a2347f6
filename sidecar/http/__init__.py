"""HTTP as the platform process serves it: the API over the catalog, and runs of scripts."""
