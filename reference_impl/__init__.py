"""Runnable references of the patterns: one pattern, one file, one public class."""
