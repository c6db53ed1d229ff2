"""The pool: page runs stored once under the hash of their content, and manifests that describe images by them."""
