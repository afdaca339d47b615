"""The interfaces of an omni model's encoders and connectors.

They are below the modalities, so that the file of a modality can define its encoder.
"""

from coterie.public_names import export_classes

__getattr__, __dir__ = export_classes(__name__)
