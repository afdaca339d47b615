"""Images that two splits share, whatever their files' names."""

from coterie.tasks.dense.dataset import DenseSamples
from coterie.tasks.evaluated_tasks import SharedSample


def find_shared_images(samples: DenseSamples, others: DenseSamples) -> list[SharedSample]:
    """Return the samples whose image one of the others has, too.

    Images are compared by `measure_image` first, and read where that is equal.
    """
    by_size: dict[str, list[int]] = {}
    for index in range(len(samples)):
        by_size.setdefault(samples.measure_image(index), []).append(index)
    found: dict[int, int] = {}
    for other in range(len(others)):
        alike = [each for each in by_size.get(others.measure_image(other), ()) if each not in found]
        if alike:
            digest = others.compute_image_digest(other)
            equal = (each for each in alike if samples.compute_image_digest(each) == digest)
            found.update(dict.fromkeys(equal, other))
    return [SharedSample(samples[one].source, others[found[one]].source) for one in sorted(found)]
