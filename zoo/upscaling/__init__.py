"""Upscaling of pictures with a trained generator: tiles, picture files, folders of them."""
