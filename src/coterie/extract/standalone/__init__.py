"""Files that are copied into extracted folders and run there, without coterie."""
