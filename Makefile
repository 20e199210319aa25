# Thin names for people who have make; every target is x.py's.
.PHONY: demo test lint clean
demo test lint clean:
	@python3 x.py $@
