"""A whole comparison in one call: baselines, mixtures and controls, diagnosed to reported."""

from coterie.study.study import Study, StudyResult, study

__all__ = ["Study", "StudyResult", "study"]
