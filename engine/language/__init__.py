"""The mapping language: YAML with JMESPath formulas and Jinja text, compiled to Python source.

Knows nothing of AI and nothing of HTTP; ``engine.translation`` stands on it.
"""
