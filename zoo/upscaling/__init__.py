"""Upscaling of images with a trained generator: tiles, image files, folders of them (internal)."""
