"""What a comparison, a filter and a fit are worth: nulls, intervals, goodness of fit.

Pure functions of arrays. Nothing here refits a model of the study or changes what a fit is.
"""
