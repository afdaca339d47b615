"""The sections of the report, a file each; a new file here is a new section."""
