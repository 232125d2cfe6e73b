"""The engine: generalised linear models of many responses, splits and strengths at once; arrays in, arrays out (`fit`).

It needs nothing of the package but its errors, and could be published alone.
"""
