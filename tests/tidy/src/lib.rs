//! Rules of the house that are not about behaviour, as ordinary tests: licences, documentation, files.
