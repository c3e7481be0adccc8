"""Style: pictures with the content of one and the look of another, and textures."""
