"""`python -m catalog` is the command `genai-patterns`."""

from .cli import main

if __name__ == "__main__":
    main()
