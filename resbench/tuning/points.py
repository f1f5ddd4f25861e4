"""The points of the unit cube that a tuning tries, the same for every algorithm and track."""

#: Studies of one algorithm at one precision, and the trials of each. Trials are numbered from 1; the first five are the
#: first study, the next five the second.
STUDIES, TRIALS = 3, 5
#: Points of a tuning.
COUNT = STUDIES * TRIALS

#: ``scipy.stats.qmc.Halton(8, scramble=True, rng=0).random(15)``, to four decimals: a row for each point, a column for
#: each key of a space. SciPy draws the scrambling from NumPy's generator, and neither promises the same numbers in its
#: next version, so they are written down here. A test compares them with the installed SciPy.
HALTON = (
    (0.7072, 0.4691, 0.4706, 0.9080, 0.7042, 0.9156, 0.1738, 0.9092),
    (0.2072, 0.8024, 0.6706, 0.6222, 0.2497, 0.3003, 0.7033, 0.2250),
    (0.9572, 0.1357, 0.2706, 0.4794, 0.9770, 0.5310, 0.9974, 0.0145),
    (0.4572, 0.3580, 0.8706, 0.3365, 0.4315, 0.4541, 0.2327, 0.5408),
    (0.5822, 0.6913, 0.0706, 0.7651, 0.8861, 0.1464, 0.9385, 0.8566),
    (0.0822, 0.0246, 0.5106, 0.0508, 0.5224, 0.0695, 0.5268, 0.4881),
    (0.8322, 0.5802, 0.7106, 0.1937, 0.1588, 0.9926, 0.7621, 0.6987),
    (0.3322, 0.9135, 0.3106, 0.8875, 0.0679, 0.6079, 0.3503, 0.3302),
    (0.6447, 0.2469, 0.9106, 0.6018, 0.6133, 0.7618, 0.0562, 0.1197),
    (0.1447, 0.5061, 0.1106, 0.4590, 0.3406, 0.6849, 0.6444, 0.3829),
    (0.8947, 0.8395, 0.5506, 0.3161, 0.7952, 0.3772, 0.8209, 0.6460),
    (0.3947, 0.1728, 0.7506, 0.7447, 0.6547, 0.2233, 0.2915, 0.8039),
    (0.5197, 0.3950, 0.3506, 0.0304, 0.2001, 0.8387, 0.8797, 0.5934),
    (0.0197, 0.7283, 0.9506, 0.1733, 0.9274, 0.8565, 0.5856, 0.1723),
    (0.7697, 0.0617, 0.1506, 0.9284, 0.3819, 0.2411, 0.1150, 0.7513),
)
