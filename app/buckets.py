"""The bounds of the histograms' buckets, in seconds or ratios."""

MILLISECONDS = (1, 2.5, 5, 7.5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 250, 500)
BUCKETS = (*(milliseconds / 1000 for milliseconds in MILLISECONDS), 1, 2.5, 5, 10)
BATCH_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256)
CONVERSION_BUCKETS = (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 3600)
# Of `infer`, so that a median is right within 5 %: in steps of 10 % from 2 to 500 ms.
INFER_BUCKETS = (0.0005, 0.001, *(round(0.002 * 1.1**step, 6) for step in range(-3, 59)), 0.75, 1, 2.5, 5, 10)
RATIO_BUCKETS = (0.25, *(round(0.5 * 1.05**step, 4) for step in range(44)), 5, 7.5, 10)  # in steps of 5 % from 0.5 to 4
IOU_BUCKETS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1)
SCORE_BUCKETS = (0.0001, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
