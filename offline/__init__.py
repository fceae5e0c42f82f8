"""The offline half of xQG: export encoders, embed and fuse passages, load them into Qdrant."""
