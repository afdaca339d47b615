"""Images that two splits share, whatever their files' names."""

from coterie.tasks.dense.dataset import DenseSamples


def find_shared_images(samples: DenseSamples, others: DenseSamples) -> list[str]:
    """Return the sources of the samples whose image one of the others has, too.

    Images are compared by `measure_image` first, and read where that is equal.
    """
    by_size: dict[str, list[int]] = {}
    for index in range(len(samples)):
        by_size.setdefault(samples.measure_image(index), []).append(index)
    found: set[int] = set()
    for other in range(len(others)):
        alike = [each for each in by_size.get(others.measure_image(other), ()) if each not in found]
        if alike:
            digest = others.compute_image_digest(other)
            found.update(each for each in alike if samples.compute_image_digest(each) == digest)
    return [samples[index].source for index in sorted(found)]
