"""`python -m phosphene` is `phosphene`."""

from phosphene.faces.cli.main import main

if __name__ == "__main__":
    main()
